// Products of a left operand with many zeros: they pass over them.
// An element of the product is the chain that gemm.hpp's kernels take, without the elements that
// are 0. Nothing here allocates, throws or starts threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/group_sums.hpp"
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

// Lists that are gone through side by side: of few groups, one would wait for its own sums.
template <int kGroups>
constexpr int kListsTogether = kGroups == 1   ? 4
                               : kGroups == 2 ? 2
                                              : 1;

// Groups of w that a row's products go over at a time: a panel, or where there are registers for
// the sums, two neighbours. A step of 784-128-64-10 takes 6 to 8 % less in two.
constexpr int kGroupsOfPanel = kPanelGroups;
#ifdef __AVX512F__
constexpr int kGroupsTogether = 2 * kGroupsOfPanel;
#else
constexpr int kGroupsTogether = kGroupsOfPanel;
#endif

// Rows of w in one panel, or in one and the next.
template <class T, int kGroups>
struct RowsOfPanels {
  static constexpr int kGroupsOfFirst = kGroups < kGroupsOfPanel ? kGroups : kGroupsOfPanel;
  static constexpr std::size_t kWidth = kGroupsOfFirst * kGroup<T>;
  static constexpr std::size_t kNextWidth = (kGroups - kGroupsOfFirst) * kGroup<T>;
  const T* w;
  const T* next;

  DESCEND_INLINE RowsOfPanels from(std::size_t row) const {
    return {w + row * kWidth, next + row * kNextWidth};
  }
  DESCEND_INLINE void add(T element, std::size_t row, Vec<T> (&sums)[kGroups]) const {
    add_product_to<0, kGroupsOfFirst>(element, w + row * kWidth, sums);
    add_product_to<kGroupsOfFirst, kGroups>(element, next + row * kNextWidth, sums);
  }
};

// Rows of a matrix, `ld` apart.
template <class T, int kGroups>
struct RowsOfMatrix {
  const T* b;
  std::size_t ld;

  DESCEND_INLINE void add(T element, std::size_t row, Vec<T> (&sums)[kGroups]) const {
    add_product(element, b + row * ld, sums);
  }
};

// The bits of one list, the elements that they stand for, `step` apart, and their sums.
template <class T, int kGroups>
struct List {
  std::uint64_t bits;
  const T* a;
  Vec<T> sums[kGroups];

  // sums += the product of the first element left and its row of b.
  template <class B>
  DESCEND_INLINE void add_first(std::size_t step, const B& b) {
    const auto k = static_cast<std::size_t>(__builtin_ctzll(bits));
    bits &= bits - 1;
    b.add(a[k * step], k, sums);
  }
};

// The products of all elements of the lists and rows of b.
template <class T, int kGroups, int kLists, class B>
DESCEND_INLINE void add_products(List<T, kGroups> (&lists)[kLists], std::size_t step, const B& b) {
  if constexpr (kLists > 1) {
    int common = __builtin_popcountll(lists[0].bits);
    for (const auto& list : lists) {
      const int count = __builtin_popcountll(list.bits);
      common = count < common ? count : common;
    }
    for (; common > 0; --common) {
#pragma GCC unroll 4
      for (auto& list : lists) list.add_first(step, b);
    }
  }
#pragma GCC unroll 4
  for (auto& list : lists) {
    while (list.bits != 0) list.add_first(step, b);
  }
}

// Words of a row that are gone through at a time, so that as many rows of w stay in the first cache
// while all rows of x come over them.
template <int kGroups>
constexpr std::size_t kWordsTogether = kGroups > kGroupsOfPanel ? 1 : 2;

// z = x w for words [first, end) of rows [row, row + kLists) and `kGroups` groups of w.
template <class T, int kGroups, int kLists>
DESCEND_INLINE void forward_rows(const DenseForward<T>& layer, std::size_t row, std::size_t column,
                                 std::size_t first, std::size_t end, T* z) {
  const std::size_t words = (layer.inputs + kNonzeroBits - 1) / kNonzeroBits;
  const RowsOfPanels<T, kGroups> w{layer.w + layer.inputs * column,
                                   layer.w + layer.inputs * (column + kPanel<T>)};
  T* const place = z + row * layer.ld_a + column;
  List<T, kGroups> lists[kLists];
#pragma GCC unroll 4
  for (int i = 0; i < kLists; ++i) {
    begin_sums(place + i * layer.ld_a, first > 0, lists[i].sums);
  }
  for (std::size_t word = first; word < end; ++word) {
    const std::size_t input = word * kNonzeroBits;
#pragma GCC unroll 4
    for (int i = 0; i < kLists; ++i) {
      lists[i].bits = layer.nonzeros[(row + i) * words + word];
      lists[i].a = layer.x + (row + i) * layer.ld_x + input;
    }
    add_products(lists, 1, w.from(input));
  }
#pragma GCC unroll 4
  for (int i = 0; i < kLists; ++i) write_sums(lists[i].sums, place + i * layer.ld_a);
}

// z = x w for `kGroups` groups of w: one panel, or one and what there is of the next.
template <class T, int kGroups>
void forward_nonzeros(const DenseForward<T>& layer, std::size_t column, T* z) {
  constexpr int kTogether = kListsTogether<kGroups>;
  constexpr std::size_t kWords = kWordsTogether<kGroups>;
  const std::size_t words = (layer.inputs + kNonzeroBits - 1) / kNonzeroBits;
  for (std::size_t first = 0; first < words; first += kWords) {
    const std::size_t end = words - first < kWords ? words : first + kWords;
    std::size_t row = 0;
    for (; row + kTogether <= layer.rows; row += kTogether) {
      forward_rows<T, kGroups, kTogether>(layer, row, column, first, end, z);
    }
    for (; row < layer.rows; ++row) {
      forward_rows<T, kGroups, 1>(layer, row, column, first, end, z);
    }
  }
}

// The rows of one block, from its first input and column on, and the bits of each input.
template <class T>
struct RowsOfBlock {
  const T* x;
  std::size_t ld_x;
  const T* d_z;
  std::size_t ld_d_z;
  const std::uint64_t* words;  // null: `all` of each
  std::uint64_t all;
};

// c = x^T d_z for inputs [input, input + kLists) and one panel, `kGroups` groups wide; what c holds
// as `into` says.
template <class T, int kGroups, int kLists>
DESCEND_INLINE void backward_inputs(const RowsOfBlock<T>& rows, std::size_t input, T* c,
                                    Sums into) {
  constexpr std::size_t kWidth = kGroups * kGroup<T>;
  List<T, kGroups> lists[kLists];
#pragma GCC unroll 4
  for (int i = 0; i < kLists; ++i) {
    begin_sums(c + i * kWidth, into == Sums::go_on, lists[i].sums);
    lists[i].bits = rows.words == nullptr ? rows.all : rows.words[input + i];
    lists[i].a = rows.x + input + i;
  }
  add_products(lists, rows.ld_x, RowsOfMatrix<T, kGroups>{rows.d_z, rows.ld_d_z});
#pragma GCC unroll 4
  for (int i = 0; i < kLists; ++i) {
    if (into == Sums::add) add_sums(c + i * kWidth, lists[i].sums);
    write_sums(lists[i].sums, c + i * kWidth);
  }
}

// The same for one block's rows and `inputs` inputs from `input` on.
template <class T, int kGroups>
void backward_block(const DenseBackwardWeights<T>& layer, const NonzeroBlock& block,
                    std::size_t input, std::size_t inputs, T* c, Sums into) {
  constexpr std::size_t kTogether = kListsTogether<kGroups>, kWidth = kGroups * kGroup<T>;
  const std::size_t row = block.first_row - layer.nonzeros[0].first_row;
  const RowsOfBlock<T> rows{layer.x + row * layer.ld_x + input,
                            layer.ld_x,
                            layer.d_z + row * layer.ld_d_z + layer.column_begin,
                            layer.ld_d_z,
                            block.of_columns == nullptr ? nullptr : block.of_columns + input,
                            ~std::uint64_t{0} >> (kNonzeroBits - block.rows)};
  std::size_t i = 0;
  for (; i + kTogether <= inputs; i += kTogether) {
    backward_inputs<T, kGroups, kTogether>(rows, i, c + i * kWidth, into);
  }
  for (; i < inputs; ++i) backward_inputs<T, kGroups, 1>(rows, i, c + i * kWidth, into);
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
constexpr ForwardNonzeros<T> kForwardNonzeros[kGroupsTogether] = {
    forward_nonzeros<T, 1>, forward_nonzeros<T, 2>, forward_nonzeros<T, 3>, forward_nonzeros<T, 4>,
#ifdef __AVX512F__
    forward_nonzeros<T, 5>, forward_nonzeros<T, 6>, forward_nonzeros<T, 7>, forward_nonzeros<T, 8>,
#endif
};

template <class T>
using BackwardNonzeros = void (*)(const DenseBackwardWeights<T>&);
template <class T>
constexpr BackwardNonzeros<T> kBackwardNonzeros[kPanelGroups] = {
    backward_nonzeros<T, 1>, backward_nonzeros<T, 2>, backward_nonzeros<T, 3>,
    backward_nonzeros<T, 4>};

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
