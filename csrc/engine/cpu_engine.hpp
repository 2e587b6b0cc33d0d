// One training step on the CPU: forward, loss, backpropagation, update.
//   x (rows, inputs)  z = x w + b  a = f(z)  d_v = dJ/dv
// All workers of a team call each member together. A worker takes its share of the rows through
// the network and back, all layers without waiting, and after one barrier its share of the
// weights' gradient. So each element is summed by one worker, and the bits do not depend on
// their number. Nothing but the constructor allocates or throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/aligned_buffer.hpp"
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
};

/// One optimizer step: the rule, what is common to all elements, and the vectors it changes.
template <class T>
struct Update {
  std::size_t rule;  ///< the optimizer's row
  const void* hyperparameters;
  kernels::StepScalars scalars;
  T* theta;
  T* state[2];      ///< as many as the optimizer keeps, of theta's layout
  Penalty penalty;  ///< whose gradient is added to the rows'
};

/// The rows of one step, or of a part of it.
struct Minibatch {
  Examples examples;
  Rows rows;
  double total_weight;        ///< by which the rows' weights are divided
  const DropoutKey* dropout;  ///< its layer is not read; null: no units are dropped
};

/// The update of step number `step`, from 1.
template <class T>
Update<T> prepare_update(const Optimizer& optimizer, std::uint64_t step, T* theta,
                         T* const (&state)[2], const Penalty& penalty);

template <class T>
class CpuEngine {
 public:
  /// Room for `block_rows` rows at a time and `workers` workers. Throws std::bad_alloc.
  CpuEngine(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
            std::size_t block_rows, int workers);

  std::size_t block_rows() const { return block_rows_; }

  /// Forward, loss and backpropagation of at most block_rows() rows. Ends with a barrier.
  void backpropagate(const core::Worker& worker, const Minibatch& batch, const T* theta);

  /// sum_i w_i L_i over the rows of the last backpropagate; the same in every worker.
  double loss_sum(const Minibatch& batch) const;

  /// Takes this worker's share of the penalty of theta, which penalty_sum() gives after a barrier;
  /// the same in every worker.
  void measure_penalty(const core::Worker& worker, const Penalty& penalty, const T* theta);
  double penalty_sum() const;

  /// Writes, or adds with `accumulate`, this worker's share of the gradient of those rows.
  void gradient(const core::Worker& worker, const Minibatch& batch, T* gradient, bool accumulate);

  /// Updates this worker's share of theta by that gradient, which passes through the first cache
  /// in pieces and is never written to memory.
  void update(const core::Worker& worker, const Minibatch& batch, const Update<T>& update);

  /// Updates this worker's share of theta by a gradient that stands in memory, to which the
  /// penalty's is added there.
  void update_from(const core::Worker& worker, T* gradient, const Update<T>& update);

 private:
  struct Layer {
    std::size_t ld;            // of all buffers below
    core::AlignedBuffer<T> z;  // where the derivative needs it
    core::AlignedBuffer<T> a;
    core::AlignedBuffer<T> d_z;
    core::AlignedBuffer<T> mask;     // where units are dropped, as is
    core::AlignedBuffer<T> dropped;  // a times mask
  };
  // Rows of one panel of one layer's weights, or the panel's bias, as they stand in theta.
  struct Piece {
    std::size_t layer;
    std::size_t input_begin, input_end;  // of weights
    std::size_t column_begin;
    std::size_t offset, size;  // from theta's start
    bool is_bias;
  };

  // Adjacent weights in theta, the same whatever the number of workers.
  struct WeightBlock {
    std::size_t offset, size;
  };

  bool drops_inputs(const Minibatch& batch) const {
    return batch.dropout != nullptr && spec_.input_dropout > 0;
  }
  void forward(const core::Share& share, const Minibatch& batch, const T* theta);
  void loss(const core::Share& share, const Minibatch& batch);
  void backward(const core::Worker& worker, const core::Share& share, const Minibatch& batch,
                const T* theta);
  Matrix<T> input_of(std::size_t layer, const Minibatch& batch) const;
  template <class Visit>
  void for_each_piece(const core::Worker& worker, const Visit& visit) const;
  void piece_gradient(const Piece& piece, const Minibatch& batch, T* gradient, bool accumulate);
  void apply(const Update<T>& update, const Piece& piece, T* gradient) const;

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
  core::AlignedBuffer<T> transposed_;  // one part a worker
  core::AlignedBuffer<T> gradients_;   // one piece a worker
  std::vector<WeightBlock> weight_blocks_;
  core::AlignedBuffer<double> penalties_;  // of each block of weights
};

}  // namespace descend::engine
