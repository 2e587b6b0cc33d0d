// One training step on the CPU: forward, loss, backpropagation, update.
//   x (rows, inputs)  z = x w + b  a = f(z)  d_v = dJ/dv
// All workers of a team call each member together. A worker takes its share of the rows through
// the network and back, layer after layer without waiting, and after one barrier its share of the
// weights' gradient. Where weights outweigh activations a layer is shared out by columns instead:
// then no worker reads weights that another one writes, and each is read once, which is worth the
// barriers around it. Where activations outweigh weights, blocks of rows are summed by the workers
// that have them, and the blocks' sums behind the barrier. The order of all sums is that of the
// shapes alone: the bits do not depend on the workers. Nothing but the constructor allocates or
// throws.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/meeting_point.hpp"
#include "core/thread_team.hpp"
#include "descend/loss.hpp"
#include "descend/network.hpp"
#include "descend/optimizer.hpp"
#include "engine/dropout.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// Rows whose activations are held at a time; the sums over more rows go on, block after block,
/// with the same bits.
constexpr std::size_t kBlockRows = 1024;

/// l2 / 2 ||W||^2 + l1 ||W||_1 over all weights W, biases left out.
struct Penalty {
  double l2 = 0.0;
  double l1 = 0.0;

  bool any() const { return l2 > 0.0 || l1 > 0.0; }
  Penalty times(double factor) const { return {l2 * factor, l1 * factor}; }

  /// No element of its gradient has a magnitude beyond this where the penalty is `sum`: l2 |w| is
  /// at most sqrt(2 l2 sum). The factor of 4 leaves room for rounding.
  double gradient_bound(double sum) const { return std::sqrt(4.0 * l2 * sum) + l1; }
};

/// Bounds of the gradient, the penalty's included; infinity is none.
struct Clipping {
  double value = std::numeric_limits<double>::infinity();  ///< of each element's magnitude
  double norm = std::numeric_limits<double>::infinity();   ///< of all elements, these clipped

  bool by_value() const { return std::isfinite(value); }
  bool by_norm() const { return std::isfinite(norm); }
};

/// The vectors that steps change, of theta's layout.
template <class T>
struct Vectors {
  T* theta;
  T* state[kernels::kMostStates];  ///< as many as the optimizer keeps, null behind
  T* average;                      ///< the moving average of theta; null where none is kept
  double average_decay;
};

/// One optimizer step: the rule, what is common to all elements, and the vectors it changes.
template <class T>
struct Update {
  std::size_t rule;  ///< the optimizer's row
  const void* hyperparameters;
  kernels::StepScalars scalars;
  Vectors<T> vectors;
  Penalty penalty;            ///< whose gradient is added to the rows'
  double clip_value;          ///< then each element is clipped to this; infinity: none is
  double gradient_scale = 1;  ///< then multiplied by this
};

/// The rows of one step, or of a part of it.
struct Minibatch {
  Examples examples;
  Rows rows;
  double total_weight;        ///< by which the rows' weights are divided
  const DropoutKey* dropout;  ///< its layer is not read; null: no units are dropped
  /// Of T, (rows of the examples, outputs): where the rows' outputs are written, each at its row's
  /// place; null: nowhere.
  void* outputs = nullptr;
  double label_smoothing = 0.0;  ///< as TrainerOptions has it
};

/// The update of step number `step`, from 1, of this learning rate.
template <class T>
Update<T> prepare_update(const Optimizer& optimizer, double learning_rate, std::uint64_t step,
                         const Vectors<T>& vectors, const Penalty& penalty, double clip_value);

template <class T>
class CpuEngine {
 public:
  /// Room for `block_rows` rows at a time and `workers` workers. Throws std::bad_alloc.
  CpuEngine(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
            std::size_t block_rows, int workers);

  std::size_t block_rows() const { return block_rows_; }

  /// Only gradient_of_part() will be called: backpropagate() sums no rows ahead for the others.
  void sum_parts_only() { row_sums_size_ = 0; }

  /// Prepares for a team of `workers`, at most those there is room for. Before, it is that many.
  void share_out(int workers);

  /// Takes this worker's share of theta into parameter_bound(), which stands after a barrier.
  void measure_parameters(const core::Worker& worker, const T* theta);

  /// No parameter's magnitude was beyond this when all workers measured them.
  double parameter_bound() const;

  /// Forward, loss and backpropagation of at most block_rows() rows. Ends with a barrier. Returns
  /// whether it came to its end: the workers meet where that is long, and may give up.
  bool backpropagate(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                     const T* theta);

  /// sum_i w_i L_i over the rows of the last backpropagate; the same in every worker.
  double loss_sum(const Minibatch& batch) const;

  /// No element of those rows' gradient has a magnitude beyond this; the same in every worker.
  double gradient_bound(const Minibatch& batch) const;

  /// Writes, for this worker's share of those rows, the squared norm of what row i adds to the
  /// gradient of layer l, weights and bias, to squared[l * rows + i]; all stand after a barrier.
  /// For a dense layer it is |d_z_i|^2 (|x_i|^2 + 1): Goodfellow (2015), arXiv:1510.01799.
  void row_gradient_norms(const core::Worker& worker, const Minibatch& batch,
                          double* squared) const;

  /// Takes this worker's share of the penalty of theta, which penalty_sum() gives after a barrier;
  /// the same in every worker.
  void measure_penalty(const core::Worker& worker, const Penalty& penalty, const T* theta);
  double penalty_sum() const;

  /// Writes, or adds with `accumulate`, this worker's share of the gradient of those rows. Returns
  /// whether it came to its end, as backpropagate() does.
  bool gradient(const core::Worker& worker, core::Pace& pace, const Minibatch& batch, T* gradient,
                bool accumulate);

  /// The same of some of those rows, which are summed one after the other.
  bool gradient_of_part(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                        const core::Share& rows, T* gradient, bool accumulate);

  /// Clips the gradient of the whole minibatch, which stands in memory, by its norm: adds the
  /// penalty's to it, clips its elements, and sets the scale of what is left to be done.
  /// Returns the norm before, which is not finite where an element is not. All workers wait in it.
  double clip_gradient(const core::Worker& worker, double most_norm, T* gradient,
                       Update<T>& update);

  /// Whether update(), which cannot be given up half-way, would take long for so many rows.
  bool updates_long(std::size_t rows) const;

  /// Whether update(), or update_from() where `gradient` is not null, would leave this worker's
  /// share of theta and of the optimizer's state finite. Changes neither.
  bool update_stays_finite(const core::Worker& worker, const Minibatch& batch, const T* gradient,
                           const Update<T>& update);

  /// Updates this worker's share of theta by that gradient, which passes through the first cache
  /// in pieces and is never written to memory.
  void update(const core::Worker& worker, const Minibatch& batch, const Update<T>& update);

  /// Updates this worker's share of theta by a gradient that stands in memory, which becomes what
  /// the update takes: with the penalty's, clipped.
  void update_from(const core::Worker& worker, T* gradient, const Update<T>& update);

 private:
  struct Layer {
    std::size_t ld = 0;        // of all buffers below
    core::AlignedBuffer<T> z;  // where the derivative needs it
    core::AlignedBuffer<T> a;
    core::AlignedBuffer<T> d_z;
    core::AlignedBuffer<T> mask;      // where units are dropped, as is
    core::AlignedBuffer<T> dropped;   // a times mask
    bool forward_by_columns = false;  // its update too
    bool input_by_columns = false;    // d_z of the layer below
    std::size_t row_sums = 0;         // place in a worker's row_sums_
  };
  // What one worker computes of a layer's rows and columns.
  struct Part {
    std::size_t row_begin, rows;
    std::size_t column_begin, column_end;
  };
  // Rows of one panel of one layer's weights, or the panel's bias, as they stand in theta.
  struct Piece {
    std::size_t layer;
    std::size_t input_begin, input_end;  // of weights
    std::size_t column_begin;
    std::size_t offset, size;  // from theta's start
    bool is_bias;
  };

  // Sums of magnitudes that one worker took.
  struct alignas(64) Magnitudes {
    double parameters = 0.0;
    double inputs = 0.0;  // of the layers, for its share of the last rows
    double d_z = 0.0;
  };

  // Adjacent weights or biases in theta, the same whatever the number of workers.
  struct Block {
    std::size_t offset, size;
    bool is_bias;
  };

  bool drops_inputs(const Minibatch& batch) const {
    return batch.dropout != nullptr && spec_.input_dropout > 0;
  }
  static Part part_of(const core::Worker& worker, std::size_t begin, std::size_t end,
                      std::size_t columns, bool by_columns);
  bool propagate(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                 const T* theta, std::size_t begin, std::size_t end);
  void take_inputs(const core::Share& share, const Minibatch& batch);
  void forward(std::size_t l, const Part& part, const Minibatch& batch, const T* theta);
  void drop_outputs(std::size_t l, const core::Share& share, const Minibatch& batch);
  void loss(const core::Share& share, const Minibatch& batch);
  void smooth_targets(const Minibatch& batch, const Rows& rows, const std::int32_t* labels, T* y);
  void backward(std::size_t l, const core::Worker& worker, const Part& part, const T* theta);
  const T* slope_source(std::size_t l, std::size_t row_begin) const;
  void measure_rows(const core::Share& share, const Minibatch& batch, Magnitudes& measured) const;
  Matrix<T> input_of(std::size_t layer, const Minibatch& batch) const;
  template <class Visit>
  void for_each_piece(const core::Worker& worker, const Visit& visit) const;
  template <class Visit, class PartDone>
  bool for_each_piece(const core::Worker& worker, const Visit& visit,
                      const PartDone& part_done) const;
  std::size_t rows_together(const core::Worker& worker) const;
  bool sums_row_blocks(std::size_t l, std::size_t rows) const;
  bool sums_own_rows(const core::Worker& worker, std::size_t rows) const;
  void sum_own_rows(const core::Worker& worker, const Minibatch& batch);
  T* row_sums(std::size_t index, const Piece& piece);
  void add_up(const Piece& piece, const Minibatch& batch, const core::Share& rows, T* gradient,
              kernels::Sums sums, const Update<T>* read_next);
  const T* add_up_blocks(const core::Worker& worker, const Piece& piece, const Minibatch& batch,
                         std::size_t first, std::size_t count, T* sum, T* other_half);
  void piece_gradient(const core::Worker& worker, const Piece& piece, const Minibatch& batch,
                      T* gradient, bool accumulate, const Update<T>* read_next);
  void add_penalty_gradient(const Update<T>& update, bool is_bias, std::size_t size, const T* theta,
                            T* gradient) const;
  void clip(const Update<T>& update, std::size_t size, T* gradient) const;
  void apply(const Update<T>& update, const Piece& piece, T* gradient) const;
  void step(const Update<T>& update, const Piece& piece, const T* gradient, T* theta,
            T* const (&state)[kernels::kMostStates]) const;
  T* scratch(const core::Worker& worker, std::size_t place);

  const NetworkSpec& spec_;
  const ParameterLayout& layout_;
  const kernels::Kernels<T>& kernels_;
  Loss loss_;
  std::size_t block_rows_;
  std::vector<Layer> layers_;
  std::size_t ld_x_, ld_y_;
  core::AlignedBuffer<T> x_;  // inputs that are gathered, converted or dropped
  core::AlignedBuffer<T> x_mask_;
  core::AlignedBuffer<T> y_;
  core::AlignedBuffer<std::int32_t> labels_;
  core::AlignedBuffer<T> scale_;
  core::AlignedBuffer<T> losses_;
  core::AlignedBuffer<T> transposed_;   // one part a worker
  core::AlignedBuffer<T> pieces_;       // a few pieces a worker
  std::size_t row_sums_size_ = 0;       // of one worker
  core::AlignedBuffer<T> row_sums_;     // gradients over a worker's own rows
  std::vector<Magnitudes> magnitudes_;  // of each worker
  std::vector<Block> blocks_;
  core::AlignedBuffer<double> penalties_;      // of each block
  core::AlignedBuffer<double> squared_norms_;  // of each block's gradient
};

}  // namespace descend::engine
