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

/// Calls body(Group) for each group of a row of `outputs`.
template <class T, class Body>
DESCEND_INLINE void for_each_group(std::size_t outputs, Body&& body) {
  for (std::size_t column = 0; column < outputs; column += kGroup<T>) {
    const std::size_t rest = outputs - column;
    body(Group{column, rest < kGroup<T> ? rest : kGroup<T>});
  }
}

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

/// One group of rows by at most kNarrowOutputs outputs, output after output.
template <class T>
class Transposed {
 public:
  /// Zeros stand in for rows from `count` on and for outputs from `outputs` on.
  DESCEND_INLINE void read(const T* rows, std::size_t ld, std::size_t count, std::size_t outputs) {
    alignas(kGroupBytes) T block[kGroup<T> * kGroup<T>];
    for (std::size_t i = count; i < kGroup<T>; ++i) Vec<T>::zero().store(block + i * kGroup<T>);
    for_each_group<T>(outputs, [&](Group group) {
      for (std::size_t i = 0; i < count; ++i) {
        const T* const row = rows + i * ld + group.column;
        Vec<T>::load_first(row, group.lanes).store(block + i * kGroup<T>);
      }
      transpose_block(block, kGroup<T>, values_ + group.column * kGroup<T>, kGroup<T>);
    });
  }
  DESCEND_INLINE Vec<T> output(std::size_t j) const {
    return Vec<T>::load(values_ + j * kGroup<T>);
  }
  DESCEND_INLINE void set_output(std::size_t j, Vec<T> x) { x.store(values_ + j * kGroup<T>); }

  /// Writes d_outputs of rows [first, first + count).
  DESCEND_INLINE void write(const LossArguments<T>& loss, std::size_t first, std::size_t count) {
    alignas(kGroupBytes) T block[kGroup<T> * kGroup<T>];
    for_each_group<T>(loss.outputs, [&](Group group) {
      for (std::size_t j = group.lanes; j < kGroup<T>; ++j) {
        set_output(group.column + j, Vec<T>::zero());
      }
      transpose_block(values_ + group.column * kGroup<T>, kGroup<T>, block, kGroup<T>);
      for (std::size_t i = 0; i < count; ++i) {
        store_group(loss, first + i, group, Vec<T>::load(block + i * kGroup<T>));
      }
    });
  }

 private:
  alignas(kGroupBytes) T values_[kNarrowOutputs * kGroup<T>];
};

#endif

}  // namespace losses
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
