// The noise of the gradient of single training steps, whose minibatch is a sample of its rows.
#pragma once

#include <cstddef>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/thread_team.hpp"
#include "engine/cpu_engine.hpp"
#include "engine/gradient_noise.hpp"
#include "engine/layout.hpp"

namespace descend::engine {

/// Measures one step after the other; all workers of a team call each member together.
template <class T>
class StepNoise {
 public:
  /// For blocks of at most `block_rows` rows. Throws std::bad_alloc.
  StepNoise(const ParameterLayout& layout, std::size_t block_rows);

  /// Begins a step.
  void begin(const core::Worker& worker);

  /// Takes this worker's rows of a block that `engine` has just taken back.
  void take_rows(const core::Worker& worker, const CpuEngine<T>& engine, const Minibatch& block);

  /// Adds the block's rows, behind a barrier and before the next block's.
  void add_rows(const core::Worker& worker, const Minibatch& block);

  /// The figures of the minibatch, 0 where it is one row, from its whole gradient before anything
  /// is added to it. Has a barrier. Only worker 0's are right.
  NoiseMoments measure(const core::Worker& worker, const Minibatch& batch, const T* gradient);

 private:
  std::size_t size_, layers_;
  double row_squares_ = 0.0;
  core::AlignedBuffer<double> squares_;  // of each row and layer
  std::vector<double> norms_;            // of each part of the gradient
};

}  // namespace descend::engine
