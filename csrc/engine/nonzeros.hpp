// Which inputs of a minibatch are not 0. Where most of them are, as in images with an empty
// margin, text and one-hot columns, the first layer's products pass over them.
// Whether a row counts as having zeros is the row's alone, so that the bits depend neither on the
// workers nor on the rows beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/thread_team.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// How many of a row's elements may not be 0 for it to count as one with zeros, where it is an
/// input of `layer`; 0: none does.
template <class T>
std::size_t most_nonzeros(const LayerLayout& layer);

/// Words of a row of `columns` columns, as FindNonzeros has them.
inline std::size_t nonzero_words(std::size_t columns) {
  return (columns + kernels::kNonzeroBits - 1) / kernels::kNonzeroBits;
}

template <class T>
class Nonzeros {
 public:
  /// Blocks of a minibatch's rows, one behind the other; null where none has zeros.
  struct Blocks {
    const kernels::NonzeroBlock* first;
    std::size_t count;
  };

  /// For the inputs of layer `first`, minibatches of at most `block_rows` rows and `workers`
  /// workers. Throws std::bad_alloc.
  Nonzeros(const LayerLayout& first, std::size_t block_rows, int workers);

  /// Prepares this worker for `rows` rows, of which each worker finds its share of each
  /// `part_rows`, and which are asked for in `row_blocks` blocks.
  void begin(const core::Worker& worker, std::size_t rows, std::size_t part_rows,
             std::size_t row_blocks);

  /// Finds them in this worker's share of a part's rows, which stand at x.
  void find(const core::Worker& worker, const core::Share& rows, const Matrix<T>& x);

  /// Calls visit(rows, nonzeros) for runs of `rows`, which begin and end as shares or parts do, and
  /// were found: with what DenseForward takes.
  template <class Visit>
  void for_each_run(const core::Worker& worker, const core::Share& rows, const Visit& visit) const;

  /// The blocks that are `rows`: one of the blocks of rows, or all, or a worker's share of them.
  Blocks blocks(const core::Worker& worker, const core::Share& rows);

 private:
  // Each worker's own list of the same blocks.
  struct Own {
    std::size_t rows = 0, part_rows = 0, row_blocks = 0;
    int workers = 0;
    std::vector<kernels::NonzeroBlock> blocks;
  };

  bool is_worthwhile() const { return most_ > 0; }
  static std::size_t block_at(const Own& own, std::size_t row);

  const kernels::Kernels<T>& kernels_;
  std::size_t inputs_;
  std::size_t most_;   // not 0 in a row with zeros; 0: zeros are not looked for
  std::size_t words_;  // of a row
  std::vector<Own> own_;
  std::vector<unsigned char> have_zeros_;          // a block each
  core::AlignedBuffer<std::uint64_t> of_rows_;     // as FindNonzeros has them, of all rows
  core::AlignedBuffer<std::uint64_t> of_columns_;  // and of each block
};

template <class T>
template <class Visit>
void Nonzeros<T>::for_each_run(const core::Worker& worker, const core::Share& rows,
                               const Visit& visit) const {
  if (!is_worthwhile()) return visit(rows, nullptr);
  const Own& own = own_[static_cast<std::size_t>(worker.index)];
  std::size_t begin = rows.begin;
  for (std::size_t i = block_at(own, begin); begin < rows.end;) {
    const bool have_zeros = have_zeros_[i] != 0;
    std::size_t end = begin;
    for (; end < rows.end && (have_zeros_[i] != 0) == have_zeros; ++i) end += own.blocks[i].rows;
    visit(core::Share{begin, end}, have_zeros ? of_rows_.data() + begin * words_ : nullptr);
    begin = end;
  }
}

}  // namespace descend::engine
