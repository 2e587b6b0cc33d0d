// Bounds of the parameters and of a gradient, from sums of magnitudes that each worker takes of its
// share: of theta, and of the rows it took through the layers.
#pragma once

#include <vector>

#include "core/thread_team.hpp"
#include "engine/layout.hpp"
#include "engine/minibatch.hpp"
#include "engine/propagation.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

template <class T>
class Magnitudes {
 public:
  Magnitudes(const ParameterLayout& layout, const Propagation<T>& propagation, int workers);

  /// Forgets what was measured.
  void clear();

  /// Takes this worker's share of theta into parameter_bound().
  void measure_parameters(const core::Worker& worker, const T* theta);

  /// Begins a worker's rows, then adds `rows`, which no other worker writes, to gradient_bound().
  void begin_rows(const core::Worker& worker);
  void add_rows(const core::Worker& worker, const core::Share& rows, const Minibatch& batch);

  /// As CpuEngine has them; behind a barrier.
  double parameter_bound() const;
  double gradient_bound(const Minibatch& batch) const;

 private:
  // Sums that one worker took.
  struct alignas(64) Sums {
    double parameters = 0.0;
    double inputs = 0.0;  // of the layers, for its share of the last rows
    double d_z = 0.0;
  };

  Sums& own(const core::Worker& worker) { return sums_[static_cast<std::size_t>(worker.index)]; }

  const ParameterLayout& layout_;
  const Propagation<T>& propagation_;
  const kernels::Kernels<T>& kernels_;
  std::vector<Sums> sums_;  // of each worker
};

}  // namespace descend::engine
