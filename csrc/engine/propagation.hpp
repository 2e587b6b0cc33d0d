// Rows of a minibatch through the layers and back.
//   x (rows, inputs)  z = x w + b  a = f(z)  d_z = dJ/dz
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/meeting_point.hpp"
#include "core/thread_team.hpp"
#include "descend/loss.hpp"
#include "descend/network.hpp"
#include "engine/examples.hpp"
#include "engine/layer_sharing.hpp"
#include "engine/layout.hpp"
#include "engine/minibatch.hpp"
#include "engine/nonzero_lists.hpp"
#include "engine/nonzeros.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// Holds what a block of rows is in each layer. All workers of a team call run() together.
template <class T>
class Propagation {
 public:
  /// Room for `block_rows` rows at a time and `workers` workers, inputs aside. Throws
  /// std::bad_alloc.
  Propagation(const NetworkSpec& spec, const ParameterLayout& layout,
              const LayerSharing<T>& sharing, Loss loss, std::size_t block_rows, int workers);

  /// input_of(0) will be asked for, however sparse the rows are.
  void keep_rows() { keeps_rows_ = true; }

  /// Makes room for inputs of `examples`. Throws std::bad_alloc.
  void take_inputs_of(const Examples& examples);

  /// Prepares this worker for `rows` rows, `part_rows` of which go through run() together, and
  /// whose gradient is the sum of `row_blocks` blocks of them.
  void begin_rows(const core::Worker& worker, std::size_t rows, std::size_t part_rows,
                  std::size_t row_blocks) {
    if (!lists_inputs_) nonzeros_->begin(worker, rows, part_rows, row_blocks);
  }

  /// Takes rows [begin, end) of the minibatch through the network and back. Returns whether it
  /// came to its end, as CpuEngine::backpropagate() does.
  bool run(const core::Worker& worker, core::Pace& pace, const Minibatch& batch, const T* theta,
           std::size_t begin, std::size_t end);

  /// The rows of layer l's inputs as lists; null where they are not listed.
  const RowLists<T>* lists_of(std::size_t l) const {
    return l == 0 && lists_inputs_ ? &lists_ : nullptr;
  }

  /// The inputs of layer l, where they are not listed: a of the one below, dropped where it is.
  Matrix<T> input_of(std::size_t l, const Minibatch& batch) const;

  /// Columns of it that can be read: own rows are padded with what is finite; the caller's are not
  /// ours beyond the last input.
  std::size_t readable_columns(std::size_t l, const Matrix<T>& input) const {
    return l > 0 || input.data == x_.data() ? input.ld : spec_.inputs;
  }

  Matrix<T> d_z_of(std::size_t l) const { return {layers_[l].d_z.data(), layers_[l].ld}; }

  /// What is not 0 in rows of the inputs of layer l, as Nonzeros::blocks() has it.
  typename Nonzeros<T>::Blocks nonzeros_of(std::size_t l, const core::Worker& worker,
                                           const core::Share& rows) {
    if (l > 0 || lists_inputs_) return {nullptr, 0};
    return nonzeros_->blocks(worker, rows);
  }

  /// L_i of each row.
  const T* losses() const { return losses_.data(); }

 private:
  struct Layer {
    std::size_t ld = 0;        // of all buffers below
    core::AlignedBuffer<T> z;  // where the derivative needs it
    core::AlignedBuffer<T> a;
    core::AlignedBuffer<T> d_z;
    core::AlignedBuffer<T> mask;     // where units are dropped, as is
    core::AlignedBuffer<T> dropped;  // a times mask
  };

  bool drops_inputs(const Minibatch& batch) const {
    return batch.dropout != nullptr && spec_.input_dropout > 0;
  }
  static bool drops_outputs(const Layer& layer, const Minibatch& batch) {
    return batch.dropout != nullptr && layer.mask.size() > 0;
  }
  void take_inputs(const core::Worker& worker, const core::Share& share, const Minibatch& batch);
  void gather_inputs(const core::Share& share, const Minibatch& batch);
  void forward(std::size_t l, const core::Worker& worker, const Part& part, const Minibatch& batch,
               const T* theta);
  void drop_outputs(std::size_t l, const core::Share& share, const Minibatch& batch);
  void loss(const core::Share& share, const Minibatch& batch);
  void smooth_targets(double smoothing, T* y, kernels::LossArguments<T>& arguments) const;
  void give_outputs(const Rows& rows, const Matrix<T>& f, const Minibatch& batch) const;
  void backward(std::size_t l, const core::Worker& worker, const Part& part, const T* theta);
  const T* slope_source(std::size_t l, std::size_t row_begin) const;

  const NetworkSpec& spec_;
  const ParameterLayout& layout_;
  const LayerSharing<T>& sharing_;
  const kernels::Kernels<T>& kernels_;
  Loss loss_;
  std::size_t block_rows_;
  int workers_;
  std::vector<Layer> layers_;
  std::size_t ld_x_, ld_y_;
  bool keeps_rows_ = false, lists_inputs_ = false;
  RowLists<T> lists_;         // of the inputs, or what follows
  core::AlignedBuffer<T> x_;  // inputs that are gathered, converted or dropped
  core::AlignedBuffer<T> x_mask_;
  std::optional<Nonzeros<T>> nonzeros_;  // of the inputs
  core::AlignedBuffer<T> y_;
  core::AlignedBuffer<std::int32_t> labels_;
  core::AlignedBuffer<T> scale_;
  core::AlignedBuffer<T> losses_;
  core::AlignedBuffer<T> transposed_;  // one part a worker
};

}  // namespace descend::engine
