// One training step on the CPU: forward, loss, backpropagation, update.
//   x (rows, inputs)  z = x w + b  a = f(z)  d_v = dJ/dv
// All workers of a team call each member together. A worker takes its share of the rows through
// the network and back, layer after layer without waiting, and after one barrier its share of the
// weights' gradient, or of both by columns (layer_sharing.hpp). Nothing but the constructor
// allocates or throws.
#pragma once

#include <cstddef>

#include "core/meeting_point.hpp"
#include "core/thread_team.hpp"
#include "descend/loss.hpp"
#include "descend/network.hpp"
#include "engine/gradient_pieces.hpp"
#include "engine/layer_sharing.hpp"
#include "engine/layout.hpp"
#include "engine/magnitudes.hpp"
#include "engine/minibatch.hpp"
#include "engine/parameter_blocks.hpp"
#include "engine/propagation.hpp"
#include "engine/update.hpp"

namespace descend::engine {

template <class T>
class CpuEngine {
 public:
  /// Room for `block_rows` rows at a time and `workers` workers. Throws std::bad_alloc.
  CpuEngine(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
            std::size_t block_rows, int workers);
  CpuEngine(const CpuEngine&) = delete;
  CpuEngine& operator=(const CpuEngine&) = delete;

  std::size_t block_rows() const { return block_rows_; }

  /// Only gradient_of_part() and row_gradient_norms() will be called: backpropagate() prepares
  /// nothing for other gradients nor for gradient_bound().
  void sum_parts_only() {
    pieces_.sum_parts_only();
    measures_rows_ = false;
    measure_row_norms();
  }

  /// row_gradient_norms() will be called, which reads the rows themselves.
  void measure_row_norms() { propagation_.keep_rows(); }

  /// Makes room for minibatches of `examples`. Throws std::bad_alloc.
  void take_inputs_of(const Examples& examples) {
    propagation_.take_inputs_of(examples);
    pieces_.take_inputs_of(examples);
  }

  /// Prepares for a team of `workers`, at most those there is room for. Before, it is that many.
  void share_out(int workers);

  /// Takes this worker's share of theta into parameter_bound(), which stands after a barrier.
  void measure_parameters(const core::Worker& worker, const T* theta) {
    magnitudes_.measure_parameters(worker, theta);
  }

  /// No parameter's magnitude was beyond this when all workers measured them.
  double parameter_bound() const { return magnitudes_.parameter_bound(); }

  /// Forward, loss and backpropagation of at most block_rows() rows. Ends with a barrier. Returns
  /// whether it came to its end: the workers meet where that is long, and may give up.
  bool backpropagate(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                     const T* theta);

  /// sum_i w_i L_i over the rows of the last backpropagate; the same in every worker.
  double loss_sum(const Minibatch& batch) const;

  /// No element of those rows' gradient has a magnitude beyond this; the same in every worker.
  double gradient_bound(const Minibatch& batch) const { return magnitudes_.gradient_bound(batch); }

  /// Writes, for this worker's share of those rows, the squared norm of what row i adds to the
  /// gradient of layer l, weights and bias, to squared[l * rows + i]; all stand after a barrier.
  /// For a dense layer it is |d_z_i|^2 (|x_i|^2 + 1): Goodfellow (2015), arXiv:1510.01799.
  void row_gradient_norms(const core::Worker& worker, const Minibatch& batch,
                          double* squared) const;

  /// Takes this worker's share of the penalty of theta, which penalty_sum() gives after a barrier;
  /// the same in every worker.
  void measure_penalty(const core::Worker& worker, const Penalty& penalty, const T* theta) {
    blocks_.measure_penalty(worker, penalty, theta);
  }
  double penalty_sum() const { return blocks_.penalty_sum(); }

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
                       Update<T>& update) {
    return blocks_.clip_gradient(worker, most_norm, gradient, update);
  }

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
  template <class Sum>
  bool gradient_of_rows(const core::Worker& worker, core::Pace& pace, std::size_t rows,
                        const Sum& sum_piece);

  const ParameterLayout& layout_;
  const kernels::Kernels<T>& kernels_;
  std::size_t block_rows_;
  bool measures_rows_ = true;
  LayerSharing<T> sharing_;
  Propagation<T> propagation_;
  Magnitudes<T> magnitudes_;
  GradientPieces<T> pieces_;
  ParameterBlocks<T> blocks_;
};

}  // namespace descend::engine
