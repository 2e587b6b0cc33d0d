// Kernels over rows and flat vectors: gathering, products, checks and sums.
// Sums go to eight lanes in double, element i to lane i mod 8, folded by one fixed tree.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
DESCEND_INLINE void convert_row(std::size_t columns, const T* from, T* to) {
  std::size_t i = 0;
  for (; i + kGroup<T> <= columns; i += kGroup<T>) Vec<T>::load(from + i).store(to + i);
  if (i < columns) Vec<T>::load_first(from + i, columns - i).store(to + i);
}

DESCEND_INLINE float float_of_bits(std::uint32_t bits) {
  float number;
  __builtin_memcpy(&number, &bits, sizeof(number));
  return number;
}

/// All ones, or zero.
DESCEND_INLINE std::uint32_t mask(bool holds) { return 0u - static_cast<std::uint32_t>(holds); }

// Exact. The compiler finds vectors for it: by reference, without choices that it could branch on.
DESCEND_INLINE float number(const Float16& half) {
  constexpr std::uint32_t kRebias = (127u - 15u) << 23;
  constexpr std::uint32_t kLowest = 1u << 23;  // of exponents, of a normal number
  const std::uint32_t sign = (half.bits & 0x8000u) << 16;
  const std::uint32_t bits = (half.bits & 0x7fffu) << 13;
  const std::uint32_t is_subnormal = mask(bits < kLowest);
  const std::uint32_t is_not_finite = mask(bits >= 31 * kLowest);
  const std::uint32_t normal = bits + kRebias + (is_not_finite & kRebias);
  // A subnormal number m 2^-24 is what 2^-14 + m 2^-24 has above 2^-14.
  const float magnitude = float_of_bits(normal + (is_subnormal & kLowest)) -
                          float_of_bits(is_subnormal & (kRebias + kLowest));
  return magnitude * float_of_bits(sign | 0x3f800000u);
}
template <class Source>
DESCEND_INLINE Source number(const Source& x) {
  return x;
}

template <class T, class Source>
DESCEND_INLINE void convert_row(std::size_t columns, const Source* __restrict__ from,
                                T* __restrict__ to) {
  for (std::size_t i = 0; i < columns; ++i) to[i] = static_cast<T>(number(from[i]));
  for (std::size_t i = columns; i < padded<T>(columns); ++i) to[i] = T{0};
}

// A bool that NumPy made by a view may be any byte.
template <class T>
DESCEND_INLINE void convert_row(std::size_t columns, const bool* from, T* __restrict__ to) {
  const auto* __restrict__ bytes = reinterpret_cast<const unsigned char*>(from);
  for (std::size_t i = 0; i < columns; ++i) to[i] = static_cast<T>(bytes[i] != 0 ? 1 : 0);
  for (std::size_t i = columns; i < padded<T>(columns); ++i) to[i] = T{0};
}

template <class T, class Source>
void gather_from(const GatherArguments<T>& rows, const Source* source) {
  const auto row_of = [&](std::size_t i) {
    const std::size_t row = rows.order == nullptr ? rows.first + i : rows.order[rows.first + i];
    return source + row * rows.ld_source;
  };
  for (std::size_t i = 0; i < rows.rows; ++i) {
    // Shuffled rows are where no prefetcher looks: ask for the one after the next.
    if (i + 2 < rows.rows) {
      const Source* ahead = row_of(i + 2);
      for (std::size_t j = 0; j < rows.columns; j += kGroupBytes / sizeof(Source)) {
        __builtin_prefetch(ahead + j);
      }
    }
    convert_row(rows.columns, row_of(i), rows.out + i * rows.ld_out);
  }
}

template <class T>
void gather_rows(const GatherArguments<T>& rows) {
  switch (rows.source_type) {
#define DESCEND_ROW(name, Type) \
  case ElementType::name: return gather_from(rows, static_cast<const Type*>(rows.source));
    DESCEND_ELEMENT_TYPES(DESCEND_ROW)
#undef DESCEND_ROW
  }
}

template <class T>
void add(std::size_t count, const T* x, const T* y, T* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] + y[i];
}

template <class T>
void multiply(std::size_t count, const T* x, const T* y, T* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] * y[i];
}

// 0 * x is 0 for every finite x and NaN for the others, and a sum keeps a NaN.
template <class T>
bool all_finite(std::size_t count, const T* x) {
  Vec<T> sum = Vec<T>::zero();
  std::size_t i = 0;
  for (; i + kGroup<T> <= count; i += kGroup<T>) {
    sum = fma(Vec<T>::load(x + i), Vec<T>::zero(), sum);
  }
  sum = fma(Vec<T>::load_first(x + i, count - i), Vec<T>::zero(), sum);
  return kernels::DESCEND_ISA_NAMESPACE::sum(sum) == T{0};
}

template <class T>
T absolute_sum(std::size_t rows, std::size_t columns, const T* x, std::size_t ld) {
  if (ld == columns) {  // one long row
    columns *= rows;
    rows = 1;
  }
  constexpr std::size_t kChains = 4;
  Vec<T> sums[kChains] = {Vec<T>::zero(), Vec<T>::zero(), Vec<T>::zero(), Vec<T>::zero()};
  for (std::size_t row = 0; row < rows; ++row, x += ld) {
    std::size_t i = 0;
    for (; i + kChains * kGroup<T> <= columns; i += kChains * kGroup<T>) {
      for (std::size_t chain = 0; chain < kChains; ++chain) {
        sums[chain] = sums[chain] + abs(Vec<T>::load(x + i + chain * kGroup<T>));
      }
    }
    for (; i + kGroup<T> <= columns; i += kGroup<T>) sums[0] = sums[0] + abs(Vec<T>::load(x + i));
    if (i < columns) sums[1] = sums[1] + abs(Vec<T>::load_first(x + i, columns - i));
  }
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

constexpr std::size_t kSumLanes = 8;

inline double folded(const double (&lanes)[kSumLanes]) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// term(i) summed over i.
template <class Term>
double sum_in_lanes(std::size_t count, const Term& term) {
  double lanes[kSumLanes] = {};
  std::size_t i = 0;
  for (; i + kSumLanes <= count; i += kSumLanes) {
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (std::size_t lane = 0; i + lane < count; ++lane) lanes[lane] += term(i + lane);
  return folded(lanes);
}

// Eight numbers as the compiler knows them, which turns floats into doubles too.
typedef double Doubles __attribute__((vector_size(kSumLanes * sizeof(double))));
typedef float Floats __attribute__((vector_size(kSumLanes * sizeof(float))));

DESCEND_INLINE void load_lanes(const double* x, Doubles& out) {
  __builtin_memcpy(&out, x, sizeof(Doubles));
}
DESCEND_INLINE void load_lanes(const float* x, Doubles& out) {
  Floats lanes;
  __builtin_memcpy(&lanes, x, sizeof(Floats));
  out = __builtin_convertvector(lanes, Doubles);
}

// sum_i x_i y_i, in four times as many lanes while there are enough numbers.
template <class T>
DESCEND_INLINE double product(std::size_t count, const T* x, const T* y) {
  constexpr std::size_t kChains = 4;
  Doubles sums[kChains] = {};
  Doubles a, b;
  std::size_t i = 0;
  for (; i + kChains * kSumLanes <= count; i += kChains * kSumLanes) {
    for (std::size_t chain = 0; chain < kChains; ++chain) {
      load_lanes(x + i + chain * kSumLanes, a);
      load_lanes(y + i + chain * kSumLanes, b);
      sums[chain] += a * b;
    }
  }
  for (; i + kSumLanes <= count; i += kSumLanes) {
    load_lanes(x + i, a);
    load_lanes(y + i, b);
    sums[0] += a * b;
  }
  const Doubles all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double lanes[kSumLanes];
  __builtin_memcpy(lanes, &all, sizeof(lanes));
  for (std::size_t lane = 0; i + lane < count; ++lane) {
    lanes[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(y[i + lane]);
  }
  return folded(lanes);
}

template <class T>
void squared_norms(std::size_t rows, std::size_t columns, const T* x, std::size_t ld, double* out) {
  for (std::size_t i = 0; i < rows; ++i) out[i] = product(columns, x + i * ld, x + i * ld);
}

template <class T>
void products_with_sum(std::size_t count, std::size_t vectors, const T* x, std::size_t ld, T* sum,
                       double* with_sum, double* with_self) {
  for (std::size_t i = 0; i < count; ++i) sum[i] = x[i];
  for (std::size_t k = 1; k < vectors; ++k) {
    for (std::size_t i = 0; i < count; ++i) sum[i] += x[k * ld + i];
  }
  for (std::size_t k = 0; k < vectors; ++k) {
    with_sum[k] = product(count, x + k * ld, static_cast<const T*>(sum));
    with_self[k] = product(count, x + k * ld, x + k * ld);
  }
}

template <class T>
double squared_distance(std::size_t count, const T* x, const T* y) {
  return sum_in_lanes(count, [=](std::size_t i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    return difference * difference;
  });
}

template <class T>
double penalty(std::size_t count, const T* x, double l2, double l1) {
  return sum_in_lanes(count, [=](std::size_t i) {
    const double value = static_cast<double>(x[i]);
    return 0.5 * l2 * (value * value) + l1 * __builtin_fabs(value);
  });
}

template <class T>
void add_penalty_gradient(std::size_t count, const T* x, T l2, T l1, T* gradient) {
  for (std::size_t i = 0; i < count; ++i) {
    const T sign = static_cast<T>(x[i] > T{0}) - static_cast<T>(x[i] < T{0});
    gradient[i] += l2 * x[i] + l1 * sign;
  }
}

template <class T>
void clip(std::size_t count, T most, T* x) {
  for (std::size_t i = 0; i < count; ++i) {
    const T above = x[i] < -most ? -most : x[i];
    x[i] = above > most ? most : above;
  }
}

template <class T>
void scale(std::size_t count, T factor, T* x) {
  for (std::size_t i = 0; i < count; ++i) x[i] *= factor;
}

template <class T>
double squared_norm(std::size_t count, const T* x) {
  return sum_in_lanes(count, [=](std::size_t i) {
    const double value = static_cast<double>(x[i]);
    return value * value;
  });
}

template <class T>
void move_average(std::size_t count, const T* x, T decay, T rest, T* average) {
  for (std::size_t i = 0; i < count; ++i) average[i] = decay * average[i] + rest * x[i];
}

template <class T>
double weighted_sum(std::size_t count, const T* x, const double* weights) {
  if (weights == nullptr) {
    return sum_in_lanes(count, [=](std::size_t i) { return static_cast<double>(x[i]); });
  }
  return sum_in_lanes(count, [=](std::size_t i) { return weights[i] * static_cast<double>(x[i]); });
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
