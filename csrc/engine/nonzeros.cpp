#include "engine/nonzeros.hpp"

#include <algorithm>

#include "engine/minibatch.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

// A row of which more than a part is not 0 counts as one without zeros: units of one, two, three
// and more groups of columns gain up to so many. Where 0.2 of the inputs are not 0, a step of
// 784-128-64-10 takes half the time, where 0.45 are 20 % less; the digits of 64-100-10, with 0.5,
// take 15 % less. Of fewer inputs, finding the zeros may take as long as the products do; of fewer
// units too, but in rows that are almost empty: where 0.02 are not 0, a step of 2000-10 takes 20 to
// 30 % less.
template <class T>
std::size_t most_nonzeros(const LayerLayout& layer) {
  constexpr double kParts[kernels::kPanelGroups] = {0.1, 0.25, 0.45, 0.6};
  if (layer.inputs < (layer.units < 16 ? 256 : 64)) return 0;
  const std::size_t groups = kernels::panel_width<T>(layer.units, 0) / kernels::kGroup<T>;
  const double part = layer.units < 16 ? 0.05 : kParts[groups - 1];
  return static_cast<std::size_t>(part * static_cast<double>(layer.inputs));
}

template <class T>
Nonzeros<T>::Nonzeros(const LayerLayout& first, std::size_t block_rows, int workers)
    : kernels_(kernels::kernels_of<T>(kernels::kernel_table())),
      inputs_(first.inputs),
      most_(most_nonzeros<T>(first)),
      words_(nonzero_words(first.inputs)) {
  if (!is_worthwhile()) return;
  // A part has 128 rows a worker at least, but for the last one.
  const auto count = static_cast<std::size_t>(workers);
  const std::size_t most_blocks =
      block_rows / kernels::kNonzeroBits + block_rows / 128 + count + kRowBlocks;
  own_.resize(count);
  for (Own& own : own_) own.blocks.reserve(most_blocks);
  have_zeros_.resize(most_blocks);
  of_rows_ = core::AlignedBuffer<std::uint64_t>(block_rows * words_);
  of_columns_ = core::AlignedBuffer<std::uint64_t>(most_blocks * inputs_);
}

template <class T>
void Nonzeros<T>::begin(const core::Worker& worker, std::size_t rows, std::size_t part_rows,
                        std::size_t row_blocks) {
  if (!is_worthwhile()) return;
  Own& own = own_[static_cast<std::size_t>(worker.index)];
  if (own.rows == rows && own.part_rows == part_rows && own.row_blocks == row_blocks &&
      own.workers == worker.count) {
    return;
  }
  own.rows = rows;
  own.part_rows = part_rows;
  own.row_blocks = row_blocks;
  own.workers = worker.count;
  own.blocks.clear();
  const auto workers = static_cast<std::size_t>(worker.count);
  std::size_t row_block = 0;
  for (std::size_t part = 0; part < rows; part += part_rows) {
    const std::size_t part_end = std::min(part + part_rows, rows);
    for (std::size_t i = 0; i < workers; ++i) {
      const core::Share share = core::share_of(part_end - part, i, workers);
      std::size_t begin = part + share.begin;
      while (begin < part + share.end) {
        while (core::share_of(rows, row_block, row_blocks).end <= begin) ++row_block;
        const std::size_t end =
            std::min(part + share.end, core::share_of(rows, row_block, row_blocks).end);
        const std::size_t count = (end - begin + kernels::kNonzeroBits - 1) / kernels::kNonzeroBits;
        for (std::size_t j = 0; j < count; ++j) {
          const core::Share block = core::share_of(end - begin, j, count);
          own.blocks.push_back({begin + block.begin, block.size(), nullptr});
        }
        begin = end;
      }
    }
  }
}

// The block that starts with a row.
template <class T>
std::size_t Nonzeros<T>::block_at(const Own& own, std::size_t row) {
  const auto starts_before = [](const kernels::NonzeroBlock& block, std::size_t first_row) {
    return block.first_row < first_row;
  };
  const auto place = std::lower_bound(own.blocks.begin(), own.blocks.end(), row, starts_before);
  return static_cast<std::size_t>(place - own.blocks.begin());
}

template <class T>
void Nonzeros<T>::find(const core::Worker& worker, const core::Share& rows, const Matrix<T>& x) {
  if (!is_worthwhile()) return;
  const Own& own = own_[static_cast<std::size_t>(worker.index)];
  for (std::size_t i = block_at(own, rows.begin), row = rows.begin; row < rows.end; ++i) {
    const kernels::NonzeroBlock& block = own.blocks[i];
    have_zeros_[i] = kernels_.find_nonzeros(
        {block.rows, inputs_, most_, x.data + (row - rows.begin) * x.ld, x.ld,
         of_rows_.data() + row * words_, of_columns_.data() + i * inputs_});
    row += block.rows;
  }
}

template <class T>
typename Nonzeros<T>::Blocks Nonzeros<T>::blocks(const core::Worker& worker,
                                                 const core::Share& rows) {
  if (!is_worthwhile()) return {nullptr, 0};
  Own& own = own_[static_cast<std::size_t>(worker.index)];
  const std::size_t first = block_at(own, rows.begin), end = block_at(own, rows.end);
  bool any = false;
  for (std::size_t i = first; i < end; ++i) {
    const bool have_zeros = have_zeros_[i] != 0;
    own.blocks[i].of_columns = have_zeros ? of_columns_.data() + i * inputs_ : nullptr;
    any = any || have_zeros;
  }
  return {any ? own.blocks.data() + first : nullptr, end - first};
}

template std::size_t most_nonzeros<float>(const LayerLayout&);
template std::size_t most_nonzeros<double>(const LayerLayout&);
template class Nonzeros<float>;
template class Nonzeros<double>;

}  // namespace descend::engine
