// The floating-point type of parameters and arithmetic.
#pragma once

#include <cstddef>

namespace descend {

enum class DType { float32, float64 };

/// Bytes of one element.
constexpr std::size_t element_size(DType dtype) { return dtype == DType::float32 ? 4 : 8; }

/// "float32" or "float64".
constexpr const char* name(DType dtype) { return dtype == DType::float32 ? "float32" : "float64"; }

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::float64;
};

}  // namespace descend
