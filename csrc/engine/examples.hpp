// The rows an engine works on.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/float_environment.hpp"
#include "descend/input_view.hpp"
#include "descend/matrix_view.hpp"
#include "engine/csr_rows.hpp"
#include "engine/rows.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// A data set: inputs (rows, inputs), targets of as many rows, and a weight a row or none.
struct Examples {
  InputView inputs;
  Targets targets;
  const double* weights = nullptr;
  std::size_t most_stored = 0;  ///< where the inputs are sparse: by one of their rows, at most
};

/// A matrix of the arithmetic's type: rows `ld` elements apart.
template <class T>
struct Matrix {
  const T* data;
  std::size_t ld;
};

/// Whether `rows` of `source` can be read as T where they stand.
template <class T>
bool readable_in_place(const ConstMatrixView& source, const Rows& rows) {
  return rows.order == nullptr && source.element_type() == element_type_of<T>();
}
/// Sparse rows cannot.
template <class T>
bool readable_in_place(const InputView& source, const Rows& rows) {
  return !source.is_sparse() && readable_in_place<T>(source.dense(), rows);
}

/// `rows` of `source` as T: in place where they are adjacent rows of T, else gathered and converted
/// into `buffer`, whose padded rows are ld_buffer apart. The numbers are those of a conversion in
/// the caller's arithmetic: subnormal numbers are kept.
template <class T>
Matrix<T> rows_of(const kernels::Kernels<T>& kernels, const ConstMatrixView& source,
                  const Rows& rows, T* buffer, std::size_t ld_buffer) {
  if (readable_in_place<T>(source, rows)) {
    return {static_cast<const T*>(source.row(rows.first)), source.row_stride()};
  }
  const core::KeepSubnormals keep;
  kernels.gather_rows({rows.count, source.columns(), source.data(), source.element_type(),
                       source.row_stride(), rows.order, rows.first, buffer, ld_buffer});
  return {buffer, ld_buffer};
}
/// The same of dense rows, or of sparse ones, which are always gathered.
template <class T>
Matrix<T> rows_of(const kernels::Kernels<T>& kernels, const InputView& source, const Rows& rows,
                  T* buffer, std::size_t ld_buffer) {
  if (!source.is_sparse()) return rows_of(kernels, source.dense(), rows, buffer, ld_buffer);
  const core::KeepSubnormals keep;
  gather_csr_rows(kernels, source.sparse(), rows, buffer, ld_buffer);
  return {buffer, ld_buffer};
}

/// The class indices of `rows` into `labels`, -1 for what is none of 32 bits.
inline void gather_labels(const LabelView& source, const Rows& rows, std::int32_t* labels) {
  for (std::size_t i = 0; i < rows.count; ++i) {
    const std::int64_t label = source[rows[i]];
    const auto narrow = static_cast<std::int32_t>(label);
    labels[i] = narrow == label ? narrow : -1;
  }
}

/// Whether a label is one of so many classes. Those that passed the checks are, unless the caller
/// has changed them since, in a callback or another thread.
inline bool is_class(std::int64_t label, std::size_t classes) {
  return label >= 0 && static_cast<std::uint64_t>(label) < classes;
}

/// sum of the weights of `rows`; their count where there are no weights.
inline double weight_sum(const double* weights, const Rows& rows) {
  if (weights == nullptr) return static_cast<double>(rows.count);
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.count; ++i) sum += weights[rows[i]];
  return sum;
}

/// Distance between rows of a matrix of `columns` columns: whole groups, and no multiple of 512
/// bytes, at which the rows of a column would share a few sets of the first cache.
template <class T>
constexpr std::size_t row_distance(std::size_t columns) {
  const std::size_t padded = kernels::padded<T>(columns);
  return padded * sizeof(T) % 512 == 0 ? padded + kernels::kGroup<T> : padded;
}

}  // namespace descend::engine
