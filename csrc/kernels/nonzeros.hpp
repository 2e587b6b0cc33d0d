// Products of a left operand with many zeros: they pass over them.
// An element of the product is the chain that gemm.hpp's kernels take, without the elements that
// are 0. Nothing here allocates, throws or starts threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

// Sets the bits of a row's words for its elements that are not 0. Returns false, some words not
// set, once more than `most` are not.
template <class T>
bool find_in_row(const FindNonzeros<T>& find, const T* x, std::uint64_t* words) {
  constexpr std::size_t kGroups = kNonzeroBits / kGroup<T>;
  std::size_t count = 0;
  for (std::size_t column = 0; column < find.columns; column += kNonzeroBits) {
    const std::size_t columns =
        find.columns - column < kNonzeroBits ? find.columns - column : kNonzeroBits;
    std::uint64_t word = 0;
    if (columns == kNonzeroBits) {
#pragma GCC unroll 8
      for (std::size_t group = 0; group < kGroups; ++group) {
        word |= nonzero_bits(Vec<T>::load(x + column + group * kGroup<T>)) << group * kGroup<T>;
      }
    } else {
      for (std::size_t i = 0; i < columns; i += kGroup<T>) {
        const std::size_t lanes = columns - i < kGroup<T> ? columns - i : kGroup<T>;
        word |= nonzero_bits(Vec<T>::load_first(x + column + i, lanes)) << i;
      }
    }
    words[column / kNonzeroBits] = word;
    count += static_cast<std::size_t>(__builtin_popcountll(word));
    if (count > find.most) return false;
  }
  return true;
}

// Adds `bit` to the words of the columns whose elements of x are not 0.
template <class T>
DESCEND_INLINE void add_row(std::size_t columns, const T* __restrict__ x, std::uint64_t bit,
                            std::uint64_t* __restrict__ of_columns) {
  for (std::size_t column = 0; column < columns; ++column) {
    of_columns[column] |= x[column] != T{0} ? bit : 0;
  }
}

template <class T>
bool find_nonzeros(const FindNonzeros<T>& find) {
  const std::size_t words = (find.columns + kNonzeroBits - 1) / kNonzeroBits;
  std::uint64_t dense_rows = 0;
  bool have_zeros = false;
  for (std::size_t row = 0; row < find.rows; ++row) {
    const std::uint64_t bit = std::uint64_t{1} << row;
    const T* const x = find.x + row * find.ld_x;
    std::uint64_t* const of_row = find.of_rows + row * words;
    if (find_in_row(find, x, of_row)) {
      if (find.of_columns != nullptr) {
        for (std::size_t i = 0; !have_zeros && i < find.columns; ++i) find.of_columns[i] = 0;
        add_row(find.columns, x, bit, find.of_columns);
      }
      have_zeros = true;
    } else {
      dense_rows |= bit;
      for (std::size_t word = 0; word < words; ++word) of_row[word] = ~std::uint64_t{0};
      const std::size_t rest = find.columns % kNonzeroBits;
      if (rest != 0) of_row[words - 1] >>= kNonzeroBits - rest;
    }
  }
  if (have_zeros && dense_rows != 0 && find.of_columns != nullptr) {
    for (std::size_t i = 0; i < find.columns; ++i) find.of_columns[i] |= dense_rows;
  }
  return have_zeros;
}

// sums += the products of the elements of `a`, `step_a` apart, whose bits are set, and the rows
// of b.
template <class T, int kGroups>
DESCEND_INLINE void add_products(std::uint64_t bits, const T* a, std::size_t step_a, const T* b,
                                 std::size_t ld_b, Vec<T> (&sums)[kGroups]) {
  for (; bits != 0; bits &= bits - 1) {
    const auto k = static_cast<std::size_t>(__builtin_ctzll(bits));
    const Vec<T> element = Vec<T>::broadcast(a[k * step_a]);
    const T* const b_row = b + k * ld_b;
#pragma GCC unroll 4
    for (int group = 0; group < kGroups; ++group) {
      sums[group] = fma(element, Vec<T>::load(b_row + group * kGroup<T>), sums[group]);
    }
  }
}

// Words of a row that are gone through at a time, so that as many rows of a panel of w stay in the
// first cache while all rows of x come over them.
constexpr std::size_t kWordsTogether = 2;

// z = x w for one panel of w, `kGroups` groups wide.
template <class T, int kGroups>
void forward_nonzeros(const DenseForward<T>& layer, std::size_t column, T* z) {
  constexpr std::size_t kWidth = kGroups * kGroup<T>;
  const std::size_t words = (layer.inputs + kNonzeroBits - 1) / kNonzeroBits;
  const T* const w = layer.w + layer.inputs * column;
  for (std::size_t first = 0; first < words; first += kWordsTogether) {
    const std::size_t end = words - first < kWordsTogether ? words : first + kWordsTogether;
    for (std::size_t row = 0; row < layer.rows; ++row) {
      T* const place = z + row * layer.ld_a + column;
      Vec<T> sums[kGroups];
#pragma GCC unroll 4
      for (int group = 0; group < kGroups; ++group) {
        sums[group] = first > 0 ? Vec<T>::load(place + group * kGroup<T>) : Vec<T>::zero();
      }
      for (std::size_t word = first; word < end; ++word) {
        const std::size_t input = word * kNonzeroBits;
        add_products<T, kGroups>(layer.nonzeros[row * words + word],
                                 layer.x + row * layer.ld_x + input, 1, w + input * kWidth, kWidth,
                                 sums);
      }
#pragma GCC unroll 4
      for (int group = 0; group < kGroups; ++group) {
        sums[group].store(place + group * kGroup<T>);
      }
    }
  }
}

// c = x^T d_z for rows of one block and `inputs` inputs from `input` on, and one panel, `kGroups`
// groups wide; what c holds as `into` says.
template <class T, int kGroups>
void backward_block(const DenseBackwardWeights<T>& layer, const NonzeroBlock& block,
                    std::size_t input, std::size_t inputs, T* c, Sums into) {
  const std::size_t row = block.first_row - layer.nonzeros[0].first_row;
  const std::size_t ld_x = layer.ld_x, ld_d_z = layer.ld_d_z;
  const T* const x = layer.x + row * ld_x + input;
  const T* const d_z = layer.d_z + row * ld_d_z + layer.column_begin;
  const std::uint64_t all = ~std::uint64_t{0} >> (kNonzeroBits - block.rows);
  const std::uint64_t* const words =
      block.of_columns == nullptr ? nullptr : block.of_columns + input;
  for (std::size_t i = 0; i < inputs; ++i) {
    T* const place = c + i * kGroups * kGroup<T>;
    Vec<T> sums[kGroups];
#pragma GCC unroll 4
    for (int group = 0; group < kGroups; ++group) {
      sums[group] = into == Sums::go_on ? Vec<T>::load(place + group * kGroup<T>) : Vec<T>::zero();
    }
    add_products<T, kGroups>(words == nullptr ? all : words[i], x + i, ld_x, d_z, ld_d_z, sums);
#pragma GCC unroll 4
    for (int group = 0; group < kGroups; ++group) {
      T* const whole = place + group * kGroup<T>;
      if (into == Sums::add) sums[group] = Vec<T>::load(whole) + sums[group];
      sums[group].store(whole);
    }
  }
}

// d_w = x^T d_z for one panel, `kGroups` groups wide.
template <class T, int kGroups>
void backward_nonzeros(const DenseBackwardWeights<T>& layer) {
  constexpr std::size_t kWidth = kGroups * kGroup<T>;
  constexpr std::size_t kInputs = 16;  // summed apart at a time, where a sum is added to another
  const std::size_t blocks = layer.nonzero_blocks;
  if (layer.sums != Sums::add || blocks == 1) {
    for (std::size_t i = 0; i < blocks; ++i) {
      backward_block<T, kGroups>(layer, layer.nonzeros[i], layer.input_begin,
                                 layer.input_end - layer.input_begin, layer.d_w,
                                 i == 0 ? layer.sums : Sums::go_on);
    }
    return;
  }
  T apart[kInputs * kWidth];
  for (std::size_t input = layer.input_begin; input < layer.input_end; input += kInputs) {
    const std::size_t rest = layer.input_end - input;
    const std::size_t inputs = rest < kInputs ? rest : kInputs;
    for (std::size_t i = 0; i < blocks; ++i) {
      backward_block<T, kGroups>(layer, layer.nonzeros[i], input, inputs, apart,
                                 i == 0 ? Sums::replace : Sums::go_on);
    }
    T* const place = layer.d_w + (input - layer.input_begin) * kWidth;
    for (std::size_t i = 0; i < inputs * kWidth; i += kGroup<T>) {
      (Vec<T>::load(place + i) + Vec<T>::load(apart + i)).store(place + i);
    }
  }
}

template <class T>
using ForwardNonzeros = void (*)(const DenseForward<T>&, std::size_t, T*);
template <class T>
constexpr ForwardNonzeros<T> kForwardNonzeros[kPanelGroups] = {
    forward_nonzeros<T, 1>, forward_nonzeros<T, 2>, forward_nonzeros<T, 3>, forward_nonzeros<T, 4>};

template <class T>
using BackwardNonzeros = void (*)(const DenseBackwardWeights<T>&);
template <class T>
constexpr BackwardNonzeros<T> kBackwardNonzeros[kPanelGroups] = {
    backward_nonzeros<T, 1>, backward_nonzeros<T, 2>, backward_nonzeros<T, 3>,
    backward_nonzeros<T, 4>};

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
