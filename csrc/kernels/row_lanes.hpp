// What losses need of the lanes of a group of rows: one number a row, and rows turned into columns.
// For devices whose lanes are threads, simd_cuda.hpp has both.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.hpp"

#ifndef DESCEND_FUNCTION
// What a device's compiler has to be told of a function; nothing elsewhere.
#define DESCEND_FUNCTION
#endif

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {
namespace losses {

/// The group of outputs from `column` on: `lanes` of them are there.
struct Group {
  std::size_t column, lanes;
};

/// Writes a group of d_outputs. Zen 4 takes masked stores slowly: where there is room, the lanes
/// that are not there, which hold zeros, are written too.
template <class T>
DESCEND_INLINE void store_group(const LossArguments<T>& loss, std::size_t row, Group group,
                                Vec<T> d) {
  T* d_group = loss.d_outputs + row * loss.ld_d + group.column;
  if (loss.padded) {
    d.store(d_group);
  } else {
    d.store_first(d_group, group.lanes);
  }
}

#ifndef DESCEND_LANES_ARE_THREADS

/// A group's numbers, read and written one by one.
template <class T>
class Lanes {
 public:
  DESCEND_INLINE void set(std::size_t i, T x) { values_[i] = x; }
  DESCEND_INLINE T get(std::size_t i) const { return values_[i]; }
  DESCEND_INLINE void take(Vec<T> x, std::size_t count) { x.store_first(values_, count); }
  DESCEND_INLINE Vec<T> vec(std::size_t count) const { return Vec<T>::load_first(values_, count); }

 private:
  T values_[kGroup<T>];
};

/// One group of rows by one group of outputs, output after output.
template <class T>
struct Transposed {
  alignas(kGroupBytes) T values[kGroup<T> * kGroup<T>];

  /// Zeros stand in for rows from `count` on and for outputs from `outputs` on.
  DESCEND_INLINE void read(const T* rows, std::size_t ld, std::size_t count, std::size_t outputs) {
    alignas(kGroupBytes) T block[kGroup<T> * kGroup<T>];
    for (std::size_t i = 0; i < count; ++i) {
      Vec<T>::load_first(rows + i * ld, outputs).store(block + i * kGroup<T>);
    }
    for (std::size_t i = count; i < kGroup<T>; ++i) Vec<T>::zero().store(block + i * kGroup<T>);
    transpose_block(block, kGroup<T>, values, kGroup<T>);
  }
  DESCEND_INLINE Vec<T> output(std::size_t j) const { return Vec<T>::load(values + j * kGroup<T>); }
  DESCEND_INLINE void set_output(std::size_t j, Vec<T> x) { x.store(values + j * kGroup<T>); }

  /// Writes d_outputs of rows [first, first + count).
  DESCEND_INLINE void write(const LossArguments<T>& loss, std::size_t first, std::size_t count) {
    for (std::size_t j = loss.outputs; j < kGroup<T>; ++j) set_output(j, Vec<T>::zero());
    alignas(kGroupBytes) T block[kGroup<T> * kGroup<T>];
    transpose_block(values, kGroup<T>, block, kGroup<T>);
    for (std::size_t i = 0; i < count; ++i) {
      store_group(loss, first + i, {0, loss.outputs}, Vec<T>::load(block + i * kGroup<T>));
    }
  }
};

#endif

}  // namespace losses
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
