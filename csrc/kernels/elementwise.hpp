// Kernels over rows and flat vectors: gathering, products, checks and sums.
// Sums go to eight lanes in double, element i to lane i mod 8, folded by one fixed tree.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
DESCEND_INLINE void convert_row(std::size_t columns, const T* from, T* to) {
  std::size_t i = 0;
  for (; i + kGroup<T> <= columns; i += kGroup<T>) Vec<T>::load(from + i).store(to + i);
  if (i < columns) Vec<T>::load_first(from + i, columns - i).store(to + i);
}

template <class T, class Source>
DESCEND_INLINE void convert_row(std::size_t columns, const Source* from, T* to) {
  for (std::size_t i = 0; i < columns; ++i) to[i] = static_cast<T>(from[i]);
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
  if (rows.source_dtype == DType::float32) {
    gather_from(rows, static_cast<const float*>(rows.source));
  } else {
    gather_from(rows, static_cast<const double*>(rows.source));
  }
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
double weighted_sum(std::size_t count, const T* x, const double* weights) {
  if (weights == nullptr) {
    return sum_in_lanes(count, [=](std::size_t i) { return static_cast<double>(x[i]); });
  }
  return sum_in_lanes(count, [=](std::size_t i) { return weights[i] * static_cast<double>(x[i]); });
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
