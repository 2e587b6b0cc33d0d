// Sums over all parameters, taken in blocks and added in one order: the penalty, and the norm that
// clips a gradient. The blocks are the same whatever the number of workers.
#pragma once

#include <cstddef>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/thread_team.hpp"
#include "engine/layout.hpp"
#include "engine/update.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

template <class T>
class ParameterBlocks {
 public:
  explicit ParameterBlocks(const ParameterLayout& layout);

  /// Takes this worker's share of the penalty of theta, which penalty_sum() gives after a barrier;
  /// the same in every worker.
  void measure_penalty(const core::Worker& worker, const Penalty& penalty, const T* theta);
  double penalty_sum() const;

  /// As CpuEngine has it.
  double clip_gradient(const core::Worker& worker, double most_norm, T* gradient,
                       Update<T>& update);

 private:
  const kernels::Kernels<T>& kernels_;
  std::vector<Elements> blocks_;
  core::AlignedBuffer<double> penalties_;      // of each block
  core::AlignedBuffer<double> squared_norms_;  // of each block's gradient
};

}  // namespace descend::engine
