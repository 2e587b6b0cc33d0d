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
    // Shuffled rows are where no prefetcher looks: ask for the one after the next, in the second
    // cache, which waits for more lines at once than the first (rows from memory: half the time).
    if (i + 2 < rows.rows) {
      const Source* ahead = row_of(i + 2);
      for (std::size_t j = 0; j < rows.columns; j += kGroupBytes / sizeof(Source)) {
        __builtin_prefetch(ahead + j, 0, 2);
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

static_assert(kGroup<double> == kSumLanes, "a Vec<double> has all lanes");

DESCEND_INLINE Vec<double> doubles(const double* p) { return Vec<double>::load(p); }

// Eight numbers of a row of `columns`, from a column on, with zeros behind the row's end.
template <class T>
DESCEND_INLINE Vec<double> doubles_of_row(const T* row, std::size_t column, std::size_t columns) {
  if (column + kSumLanes <= columns) return doubles(row + column);
  T lanes[kGroup<T>];
  Vec<T>::load_first(row + column, columns - column).store(lanes);
  return doubles(static_cast<const T*>(lanes));
}

DESCEND_INLINE double folded(Vec<double> sums) {
  double lanes[kSumLanes];
  sums.store(lanes);
  return folded(lanes);
}

// Each of eight sums, by the tree of folded().
DESCEND_INLINE Vec<double> folded_rows(const Vec<double> (&sums)[kSumLanes]) {
  alignas(kGroupBytes) double rows[kSumLanes * kSumLanes], lanes[kSumLanes * kSumLanes];
  for (std::size_t i = 0; i < kSumLanes; ++i) sums[i].store(rows + i * kSumLanes);
  transpose_block(static_cast<const double*>(rows), kSumLanes, lanes, kSumLanes);
  const auto lane = [&](std::size_t i) { return Vec<double>::load(lanes + i * kSumLanes); };
  return ((lane(0) + lane(4)) + (lane(2) + lane(6))) + ((lane(1) + lane(5)) + (lane(3) + lane(7)));
}

// Eight rows at a time: they do not wait for each other's sums, and are folded together.
template <class T>
void squared_norms(std::size_t rows, std::size_t columns, const T* x, std::size_t ld, double* out) {
  for (std::size_t first = 0; first < rows; first += kSumLanes) {
    const std::size_t count = rows - first < kSumLanes ? rows - first : kSumLanes;
    const T* row[kSumLanes];  // the last one again in place of those that are not there
    Vec<double> sums[kSumLanes];
    for (std::size_t i = 0; i < kSumLanes; ++i) {
      row[i] = x + (first + (i < count ? i : count - 1)) * ld;
      sums[i] = Vec<double>::zero();
    }
    for (std::size_t column = 0; column < columns; column += kSumLanes) {
      for (std::size_t i = 0; i < kSumLanes; ++i) {
        const Vec<double> a = doubles_of_row(row[i], column, columns);
        sums[i] = fma(a, a, sums[i]);
      }
    }
    const Vec<double> norms = folded_rows(sums);
    if (count == kSumLanes) {
      norms.store(out + first);
    } else {
      norms.store_first(out + first, count);
    }
  }
}

template <class T>
void products_with_sum(std::size_t count, std::size_t vectors, const T* x, std::size_t ld,
                       double* sum, double* with_sum, double* with_self) {
  for (std::size_t i = 0; i < count; i += kGroup<T>) {
    Vec<T> of_group = Vec<T>::load(x + i);
    for (std::size_t k = 1; k < vectors; ++k) of_group = of_group + Vec<T>::load(x + k * ld + i);
    alignas(kGroupBytes) T lanes[kGroup<T>];
    of_group.store(lanes);
    for (std::size_t lane = 0; lane < kGroup<T>; lane += kSumLanes) {
      doubles(static_cast<const T*>(lanes + lane)).store(sum + i + lane);
    }
  }
  constexpr std::size_t kChains = 2;
  for (std::size_t k = 0; k < vectors; ++k) {
    const T* const x_k = x + k * ld;
    Vec<double> of_sum[kChains], of_self[kChains];
    for (std::size_t chain = 0; chain < kChains; ++chain) {
      of_sum[chain] = of_self[chain] = Vec<double>::zero();
    }
    for (std::size_t i = 0; i < count; i += kChains * kSumLanes) {
      for (std::size_t chain = 0; chain < kChains; ++chain) {
        const std::size_t place = i + chain * kSumLanes;
        if (place == count) break;  // eight doubles are a whole group
        const Vec<double> a = doubles(x_k + place);
        of_sum[chain] = fma(a, Vec<double>::load(sum + place), of_sum[chain]);
        of_self[chain] = fma(a, a, of_self[chain]);
      }
    }
    with_sum[k] = folded(of_sum[0] + of_sum[1]);
    with_self[k] = folded(of_self[0] + of_self[1]);
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
