// Products of a left operand of which the elements that are not 0 are listed.
// An element of the product is the chain that nonzeros.hpp takes, of those elements alone. Nothing
// here allocates, throws or starts threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/group_sums.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

// So many elements ahead, rows of w are fetched: they are in no cache near by.
constexpr std::ptrdiff_t kElementsAhead = 8;

// z = x w for one panel of w, `kGroups` groups wide.
template <class T, int kGroups>
void forward_lists(const DenseForward<T>& layer, std::size_t column, T* z) {
  constexpr std::size_t kWidth = kGroups * kGroup<T>;
  const T* const w = layer.w + layer.inputs * column;
  for (std::size_t row = 0; row < layer.rows; ++row) {
    const NonzeroList<T> list = layer.lists[row];
    Vec<T> sums[kGroups];
    clear_sums(sums);
    for (const Nonzero<T>* element = list.begin; element != list.end; ++element) {
      if (list.end - element > kElementsAhead) {
        const T* const ahead = w + element[kElementsAhead].place * kWidth;
#pragma GCC unroll 4
        for (int group = 0; group < kGroups; ++group) {
          __builtin_prefetch(ahead + group * kGroup<T>, 0, 3);
        }
      }
      add_product(element->value, w + element->place * kWidth, sums);
    }
    write_sums(sums, z + row * layer.ld_a + column);
  }
}

// sums = the products of elements from `element` on, as far as rows below `row_end`, behind which
// `element` stands then.
template <class T, int kGroups>
DESCEND_INLINE void sum_block(const Nonzero<T>*& element, const Nonzero<T>* end,
                              std::uint32_t row_end, const T* d_z, std::size_t ld_d_z,
                              Vec<T> (&sums)[kGroups]) {
  clear_sums(sums);
  for (; element != end && element->place < row_end; ++element) {
    add_product(element->value, d_z + element->place * ld_d_z, sums);
  }
}

// d_w = x^T d_z for one panel, `kGroups` groups wide.
template <class T, int kGroups>
void backward_lists(const DenseBackwardWeights<T>& layer) {
  constexpr std::size_t kWidth = kGroups * kGroup<T>;
  const NonzeroColumns<T>& columns = layer.columns;
  const T* const d_z = layer.d_z + layer.column_begin;
  const bool in_blocks = columns.block_ends[3] != 0, goes_on = layer.sums == Sums::go_on;
  for (std::size_t i = 0; i < layer.input_end - layer.input_begin; ++i) {
    const Nonzero<T>* element = columns.elements + columns.begins[i];
    const Nonzero<T>* const end = columns.elements + columns.begins[i + 1];
    T* const place = layer.d_w + i * kWidth;
    if (layer.read_next[0] != nullptr) {
#pragma GCC unroll 4
      for (int group = 0; group < kGroups; ++group) {
        const std::size_t line = i * kWidth + group * kGroup<T>;
        for (const T* vector : layer.read_next) __builtin_prefetch(vector + line, 0, 2);
      }
    }
    Vec<T> sums[kGroups];
    if (in_blocks) {
      Vec<T> high[kGroups], other[kGroups];
      sum_block<T, kGroups>(element, end, columns.block_ends[0], d_z, layer.ld_d_z, sums);
      sum_block<T, kGroups>(element, end, columns.block_ends[1], d_z, layer.ld_d_z, other);
#pragma GCC unroll 4
      for (int group = 0; group < kGroups; ++group) sums[group] = sums[group] + other[group];
      sum_block<T, kGroups>(element, end, columns.block_ends[2], d_z, layer.ld_d_z, high);
      sum_block<T, kGroups>(element, end, columns.block_ends[3], d_z, layer.ld_d_z, other);
#pragma GCC unroll 4
      for (int group = 0; group < kGroups; ++group) {
        sums[group] = sums[group] + (high[group] + other[group]);
      }
      if (goes_on) add_sums(place, sums);
    } else {
      begin_sums(place, goes_on, sums);
      for (; element != end; ++element) {
        add_product(element->value, d_z + element->place * layer.ld_d_z, sums);
      }
    }
    write_sums(sums, place);
  }
}

template <class T>
using ForwardLists = void (*)(const DenseForward<T>&, std::size_t, T*);
template <class T>
constexpr ForwardLists<T> kForwardLists[kPanelGroups] = {forward_lists<T, 1>, forward_lists<T, 2>,
                                                         forward_lists<T, 3>, forward_lists<T, 4>};

template <class T>
using BackwardLists = void (*)(const DenseBackwardWeights<T>&);
template <class T>
constexpr BackwardLists<T> kBackwardLists[kPanelGroups] = {
    backward_lists<T, 1>, backward_lists<T, 2>, backward_lists<T, 3>, backward_lists<T, 4>};

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
