// Whole powers with the same bits on every machine: the C library's pow may differ.
#pragma once

#include <cstdint>

namespace descend::kernels {
namespace {

/// base^n by repeated squaring.
inline double power(double base, std::uint64_t n) {
  double value = 1.0;
  for (; n > 0; n >>= 1, base *= base) {
    if (n & 1) value *= base;
  }
  return value;
}

}  // namespace
}  // namespace descend::kernels
