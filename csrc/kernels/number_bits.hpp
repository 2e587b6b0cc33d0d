// How a number of T stands in its bits, for vectors whose lanes are taken apart one by one.
#pragma once

#include <cstdint>

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Integer = std::uint32_t;
  static constexpr int kFraction = 23;
  static constexpr Integer kBias = 127;
  static constexpr Integer kSqrtHalf = 0x3f3504f3;
};
template <>
struct Bits<double> {
  using Integer = std::uint64_t;
  static constexpr int kFraction = 52;
  static constexpr Integer kBias = 1023;
  static constexpr Integer kSqrtHalf = 0x3fe6a09e667f3bcd;
};

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
