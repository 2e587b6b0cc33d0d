// Kernels over rows and flat vectors: gathering, products, checks and sums.
// Sums go to eight lanes in double, element i to lane i mod 8, folded by one fixed tree.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T, class Source>
void gather_from(const GatherArguments<T>& rows, const Source* source) {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const std::size_t row = rows.order == nullptr ? rows.first + i : rows.order[rows.first + i];
    const Source* from = source + row * rows.ld_source;
    T* to = rows.out + i * rows.ld_out;
    for (std::size_t j = 0; j < rows.columns; ++j) to[j] = static_cast<T>(from[j]);
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
double weighted_sum(std::size_t count, const T* x, const double* weights) {
  if (weights == nullptr) {
    return sum_in_lanes(count, [=](std::size_t i) { return static_cast<double>(x[i]); });
  }
  return sum_in_lanes(count,
                      [=](std::size_t i) { return weights[i] * static_cast<double>(x[i]); });
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
