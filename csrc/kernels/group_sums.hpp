// A row of a product, a few groups wide: its sums stay in registers while products are added.
// Unrolled, as loops GCC would keep a copy of them in memory.
#pragma once

#include "kernels/kernel_table.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T, int kGroups>
DESCEND_INLINE void clear_sums(Vec<T> (&sums)[kGroups]) {
#pragma GCC unroll 8
  for (int group = 0; group < kGroups; ++group) sums[group] = Vec<T>::zero();
}

/// sums = c where they go on from it; else 0.
template <class T, int kGroups>
DESCEND_INLINE void begin_sums(const T* c, bool goes_on, Vec<T> (&sums)[kGroups]) {
#pragma GCC unroll 8
  for (int group = 0; group < kGroups; ++group) {
    sums[group] = goes_on ? Vec<T>::load(c + group * kGroup<T>) : Vec<T>::zero();
  }
}

/// sums += element b_row, of groups from kFirst on and before kEnd.
template <int kFirst, int kEnd, class T, int kGroups>
DESCEND_INLINE void add_product_to(T element, const T* b_row, Vec<T> (&sums)[kGroups]) {
  const Vec<T> factor = Vec<T>::broadcast(element);
#pragma GCC unroll 8
  for (int group = kFirst; group < kEnd; ++group) {
    sums[group] = fma(factor, Vec<T>::load(b_row + (group - kFirst) * kGroup<T>), sums[group]);
  }
}

/// sums += element b_row.
template <class T, int kGroups>
DESCEND_INLINE void add_product(T element, const T* b_row, Vec<T> (&sums)[kGroups]) {
  add_product_to<0, kGroups>(element, b_row, sums);
}

/// sums = c + sums.
template <class T, int kGroups>
DESCEND_INLINE void add_sums(const T* c, Vec<T> (&sums)[kGroups]) {
#pragma GCC unroll 8
  for (int group = 0; group < kGroups; ++group) {
    sums[group] = Vec<T>::load(c + group * kGroup<T>) + sums[group];
  }
}

/// c = sums.
template <class T, int kGroups>
DESCEND_INLINE void write_sums(const Vec<T> (&sums)[kGroups], T* c) {
#pragma GCC unroll 8
  for (int group = 0; group < kGroups; ++group) sums[group].store(c + group * kGroup<T>);
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
