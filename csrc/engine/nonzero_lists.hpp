// The elements of a minibatch's sparse rows that are not 0, as lists: the first layer's products
// walk them, and no row stands densely.
// The products pass over the same elements that they pass over in dense rows (nonzeros.hpp), so
// that the bits are the same.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/aligned_buffer.hpp"
#include "core/thread_team.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// Whether sparse rows that store `most_stored` values at most are listed where they are inputs of
/// `layer`. Dense rows with as many count as rows with zeros then.
template <class T>
bool lists_rows(const LayerLayout& layer, std::size_t most_stored);

/// Elements row by row.
template <class T>
class RowLists {
 public:
  RowLists() = default;
  /// Room for `rows` rows of at most `most_stored` values. Throws std::bad_alloc.
  RowLists(std::size_t rows, std::size_t most_stored);

  bool has_room(std::size_t rows, std::size_t most_stored) const {
    return rows <= lists_.size() && most_stored <= most_stored_;
  }

  /// Lists `rows` of `source` from row `first` on. Others may be listed at the same time.
  void gather(const kernels::Kernels<T>& kernels, const ConstCsrView& source, const Rows& rows,
              std::size_t first);

  /// The list of a row; those of the next rows stand behind it.
  const kernels::NonzeroList<T>* of_row(std::size_t row) const { return lists_.data() + row; }

  /// sum |x_ij| over some rows.
  double absolute_sum(const core::Share& rows) const;

 private:
  std::size_t most_stored_ = 0;
  core::AlignedBuffer<kernels::NonzeroList<T>> lists_;
  core::AlignedBuffer<kernels::Nonzero<T>> elements_;
};

/// The same elements column by column.
template <class T>
class ColumnLists {
 public:
  ColumnLists() = default;
  /// Room for `columns` columns and `elements` elements. Throws std::bad_alloc.
  ColumnLists(std::size_t columns, std::size_t elements);

  bool has_room(std::size_t elements) const { return elements < elements_.size(); }

  /// Lists this worker's share of the columns of `rows` rows; all stand after a barrier.
  void take(const core::Worker& worker, const RowLists<T>& lists, std::size_t rows);

  /// Those of columns from `column` on, their sums over rows in one.
  kernels::NonzeroColumns<T> from(std::size_t column) const {
    return {elements_.data(), begins_.data() + column, {}};
  }

 private:
  std::size_t columns_ = 0;
  core::AlignedBuffer<std::uint32_t> begins_;
  core::AlignedBuffer<kernels::Nonzero<T>> elements_;
};

}  // namespace descend::engine
