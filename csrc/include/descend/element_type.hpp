// The types of the numbers that data sets may hold. A step's rows are converted to the network's
// dtype when they are gathered, as a cast in C does: integers and wider floats round to nearest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "descend/dtype.hpp"

namespace descend {

/// The bits of an IEEE 754 half-precision number.
struct Float16 {
  std::uint16_t bits;
};

// ROW(name, type)
#define DESCEND_ELEMENT_TYPES(ROW) \
  ROW(boolean, bool)               \
  ROW(int8, std::int8_t)           \
  ROW(int16, std::int16_t)         \
  ROW(int32, std::int32_t)         \
  ROW(int64, std::int64_t)         \
  ROW(uint8, std::uint8_t)         \
  ROW(uint16, std::uint16_t)       \
  ROW(uint32, std::uint32_t)       \
  ROW(uint64, std::uint64_t)       \
  ROW(float16, Float16)            \
  ROW(float32, float)              \
  ROW(float64, double)

#define DESCEND_ROW(name, Type) name,
enum class ElementType { DESCEND_ELEMENT_TYPES(DESCEND_ROW) };
#undef DESCEND_ROW

/// Bytes of one element.
constexpr std::size_t element_size(ElementType type) {
#define DESCEND_ROW(name, Type) sizeof(Type),
  constexpr std::size_t kSizes[] = {DESCEND_ELEMENT_TYPES(DESCEND_ROW)};
#undef DESCEND_ROW
  return kSizes[static_cast<int>(type)];
}

constexpr const char* name(ElementType type) {
#define DESCEND_ROW(name, Type) #name,
  constexpr const char* kNames[] = {DESCEND_ELEMENT_TYPES(DESCEND_ROW)};
#undef DESCEND_ROW
  return kNames[static_cast<int>(type)];
}

/// Whether NaN and infinity are among its values.
constexpr bool is_floating(ElementType type) {
  return type == ElementType::float16 || type == ElementType::float32 ||
         type == ElementType::float64;
}

constexpr ElementType element_type(DType dtype) {
  return dtype == DType::float32 ? ElementType::float32 : ElementType::float64;
}

/// The element type of a C++ type: bool, any integer type, Float16, float or double.
template <class T>
constexpr ElementType element_type_of() {
  static_assert(std::is_integral_v<T> || std::is_floating_point_v<T> || std::is_same_v<T, Float16>,
                "elements are bool, integers, Float16, float or double");
  if constexpr (std::is_same_v<T, bool>) return ElementType::boolean;
  if constexpr (std::is_same_v<T, Float16>) return ElementType::float16;
  if constexpr (std::is_floating_point_v<T>) return element_type(DTypeOf<T>::value);
  if constexpr (std::is_integral_v<T>) {
    constexpr bool kSigned = std::is_signed_v<T>;
    switch (sizeof(T)) {
      case 1: return kSigned ? ElementType::int8 : ElementType::uint8;
      case 2: return kSigned ? ElementType::int16 : ElementType::uint16;
      case 4: return kSigned ? ElementType::int32 : ElementType::uint32;
      default: return kSigned ? ElementType::int64 : ElementType::uint64;
    }
  }
}

}  // namespace descend
