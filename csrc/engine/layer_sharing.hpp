// How a team shares out a layer's products: by rows, or by columns where weights outweigh
// activations. Then no worker reads weights that another one writes, and each is read once, which
// is worth the barriers around it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/thread_team.hpp"
#include "engine/layout.hpp"
#include "kernels/panels.hpp"

namespace descend::engine {

/// Floating-point operations of a product (rows, depth) (depth, columns).
inline double product_flops(std::size_t rows, std::size_t depth, std::size_t columns) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(depth) *
         static_cast<double>(columns);
}

inline double product_flops(std::size_t rows, const LayerLayout& layer) {
  return product_flops(rows, layer.inputs, layer.units);
}

/// What one worker computes of a layer's rows and columns.
struct Part {
  std::size_t row_begin, rows;
  std::size_t column_begin, column_end;
};

/// A worker's part of rows [begin, end) and all columns, or of the columns, whole panels of T, and
/// all these rows.
template <class T>
Part part_of(const core::Worker& worker, std::size_t begin, std::size_t end, std::size_t columns,
             bool by_columns) {
  if (!by_columns) {
    const core::Share share = worker.share(end - begin);
    return {begin + share.begin, share.size(), 0, columns};
  }
  constexpr std::size_t kPanel = kernels::kPanel<T>;
  const core::Share panels = worker.share((columns + kPanel - 1) / kPanel);
  return {begin, end - begin, panels.begin * kPanel, std::min(panels.end * kPanel, columns)};
}

template <class T>
class LayerSharing {
 public:
  /// For `block_rows` rows at a time, and a team of `workers`.
  LayerSharing(const ParameterLayout& layout, std::size_t block_rows, int workers);

  void share_out(int workers);

  /// Whether the layer's outputs, and its update, are shared out by columns.
  bool forward_by_columns(std::size_t l) const { return layers_[l].forward; }

  /// Whether d_z of the layer below is.
  bool input_by_columns(std::size_t l) const { return layers_[l].input; }

  /// Rows that a team takes through the layers between two meetings.
  std::size_t rows_together(const core::Worker& worker) const;

 private:
  struct ByColumns {
    bool forward, input;
  };

  const ParameterLayout& layout_;
  std::size_t block_rows_;
  std::vector<ByColumns> layers_;
};

}  // namespace descend::engine
