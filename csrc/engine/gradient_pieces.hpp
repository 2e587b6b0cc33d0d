// The gradient of the rows that went back through the layers, in pieces that stay in the first
// caches between the product and the update.
// Where activations outweigh weights, blocks of rows are summed by the workers that have them, and
// the blocks' sums behind a barrier. The order of all sums is that of the shapes alone: the bits do
// not depend on the workers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/thread_team.hpp"
#include "engine/layer_sharing.hpp"
#include "engine/layout.hpp"
#include "engine/minibatch.hpp"
#include "engine/nonzero_lists.hpp"
#include "engine/propagation.hpp"
#include "engine/update.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// Rows of one panel of one layer's weights, or the panel's bias, as they stand in theta.
struct Piece : Elements {
  std::size_t layer;
  std::size_t input_begin, input_end;  ///< of weights
  std::size_t column_begin;
};

/// Whether a layer's gradient is a sum over blocks of rows, of so many rows at a time of a network
/// of so many parameters: this must not depend on the workers, nor on the device.
bool sums_row_blocks(const LayerLayout& layer, std::size_t rows, std::size_t parameters);

/// Rows of weights in a piece, at most.
constexpr std::size_t kPieceRows = 48;

template <class T>
class GradientPieces {
 public:
  /// For at most `block_rows` rows and `workers` workers. Throws std::bad_alloc.
  GradientPieces(const ParameterLayout& layout, const LayerSharing<T>& sharing,
                 Propagation<T>& propagation, std::size_t block_rows, int workers);

  /// Only add_up() will be called: sum_own_rows() has nothing to do.
  void sum_parts_only() { sums_parts_only_ = true; }

  /// Makes room for inputs of `examples`, which the propagation has taken. Throws std::bad_alloc.
  void take_inputs_of(const Examples& examples);

  /// How many blocks of so many rows the gradient of the first layer is a sum of.
  std::size_t row_blocks(std::size_t rows) const;

  /// Behind the last rows, and before a barrier and the first piece: sums those of this worker.
  void sum_own_rows(const core::Worker& worker, const Minibatch& batch);

  /// Behind a barrier: lists the inputs' columns where their rows are listed, and waits for all
  /// workers then.
  void list_columns(const core::Worker& worker, const Minibatch& batch);

  /// Calls visit(piece) for this worker's pieces of theta; all workers' pieces together are theta.
  template <class Visit>
  void for_each(const core::Worker& worker, const Visit& visit) const {
    for_each(worker, visit, [](std::size_t, double) { return true; });
  }

  /// The same, and part_done(layer, parts) after each of so many parts of a layer, of which all
  /// workers have as many; false ends it.
  template <class Visit, class PartDone>
  bool for_each(const core::Worker& worker, const Visit& visit, const PartDone& part_done) const;

  /// Writes the gradient of a piece, or adds to it where `sums` is go_on, not add. What
  /// `read_next`, which may be null, will change is fetched ahead.
  void sum_rows(const core::Worker& worker, const Piece& piece, const Minibatch& batch, T* gradient,
                kernels::Sums sums, const Update<T>* read_next);

  /// The same over some of the minibatch's rows, which are summed one after the other.
  void add_up(const Piece& piece, const Minibatch& batch, const core::Share& rows, T* gradient,
              kernels::Sums sums) const {
    add_up(piece, batch, rows, gradient, sums, nullptr, {nullptr, 0});
  }

  /// Room of this worker for a piece's gradient.
  T* gradient_room(const core::Worker& worker) { return scratch(worker, 0); }

  /// And for copies of what its update changes: as many as stays_finite() asks for.
  T* trial_room(const core::Worker& worker) { return scratch(worker, 1); }

 private:
  // Rows of weights whose inputs stay in the second cache while all panels of them are updated.
  static constexpr std::size_t kInputsTogether = 8 * kPieceRows;

  template <class Visit>
  static void for_each_panel(const LayerLayout& place, const Part& part, const Visit& visit) {
    for (std::size_t column = part.column_begin; column < part.column_end;
         column += kernels::kPanel<T>) {
      visit(column, kernels::panel_width<T>(place.units, column));
    }
  }
  static Piece bias_piece(std::size_t l, const LayerLayout& place, std::size_t column,
                          std::size_t width) {
    return {{place.bias + column, width, true}, l, 0, 0, column};
  }
  static Piece weights_piece(std::size_t l, const LayerLayout& place, std::size_t begin,
                             std::size_t end, std::size_t column, std::size_t width) {
    const std::size_t offset = place.weights + place.inputs * column + begin * width;
    return {{offset, (end - begin) * width, false}, l, begin, end, column};
  }
  bool sums_row_blocks(std::size_t l, std::size_t rows) const {
    return engine::sums_row_blocks(layout_.layers[l], rows, layout_.count);
  }
  bool sums_own_rows(std::size_t l, std::size_t rows) const;
  bool sums_own_rows(const core::Worker& worker, std::size_t rows) const;
  T* row_sums(std::size_t index, const Piece& piece);
  void add_up(const Piece& piece, const Minibatch& batch, const core::Share& rows, T* gradient,
              kernels::Sums sums, const Update<T>* read_next,
              const typename Nonzeros<T>::Blocks& nonzeros) const;
  void add_up_nonzeros(const core::Worker& worker, const Piece& piece, const Minibatch& batch,
                       const core::Share& rows, T* gradient, kernels::Sums sums,
                       const Update<T>* read_next);
  kernels::DenseBackwardWeights<T> product_of(const Piece& piece, std::size_t rows,
                                              const Matrix<T>& d_z, T* gradient, kernels::Sums sums,
                                              const Update<T>* read_next) const;
  void sum_listed_rows(const Piece& piece, const Minibatch& batch, T* gradient, kernels::Sums sums,
                       const Update<T>* read_next) const;
  const T* add_up_blocks(const core::Worker& worker, const Piece& piece, const Minibatch& batch,
                         std::size_t first, std::size_t count, T* sum, T* other_half);
  T* scratch(const core::Worker& worker, std::size_t place);

  const ParameterLayout& layout_;
  const LayerSharing<T>& sharing_;
  Propagation<T>& propagation_;
  const kernels::Kernels<T>& kernels_;
  std::size_t block_rows_, workers_;
  bool sums_parts_only_ = false;
  ColumnLists<T> columns_;                   // of the inputs
  core::AlignedBuffer<T> pieces_;            // a few pieces a worker
  std::size_t row_sums_size_ = 0;            // of one worker
  std::vector<std::size_t> row_sums_begin_;  // of each layer, in a worker's
  core::AlignedBuffer<T> row_sums_;          // gradients over a worker's own rows
};

template <class T>
template <class Visit, class PartDone>
bool GradientPieces<T>::for_each(const core::Worker& worker, const Visit& visit,
                                 const PartDone& part_done) const {
  const auto workers = static_cast<std::size_t>(worker.count);
  for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    const bool by_columns = sharing_.forward_by_columns(l);
    const Part own = part_of<T>(worker, 0, place.inputs, place.units, by_columns);
    if (by_columns || l % workers == static_cast<std::size_t>(worker.index)) {
      for_each_panel(place, own, [&](std::size_t column, std::size_t width) {
        visit(bias_piece(l, place, column, width));
      });
    }
    const std::size_t most_rows =
        by_columns ? place.inputs : (place.inputs + workers - 1) / workers;
    const std::size_t parts = (most_rows + kInputsTogether - 1) / kInputsTogether;
    const std::size_t end = own.row_begin + own.rows;
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t begin = std::min(own.row_begin + part * kInputsTogether, end);
      const std::size_t together = std::min(begin + kInputsTogether, end);
      for_each_panel(place, own, [&](std::size_t column, std::size_t width) {
        for (std::size_t k = begin; k < together; k += kPieceRows) {
          const std::size_t k_end = std::min(k + kPieceRows, together);
          visit(weights_piece(l, place, k, k_end, column, width));
        }
      });
      if (!part_done(l, static_cast<double>(parts))) return false;
    }
  }
  return true;
}

}  // namespace descend::engine
