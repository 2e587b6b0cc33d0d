// Bounds on the numbers of a training run that say, before a step changes anything, that it cannot
// overflow. They are crude, by many powers of ten, and still hold in every run that goes well.
#pragma once

#include <cstdint>

#include "descend/dtype.hpp"
#include "descend/optimizer.hpp"

namespace descend::engine {

class GrowthBound {
 public:
  GrowthBound(const Optimizer& optimizer, DType dtype);

  /// The steps that follow are this optimizer's, which differs in hyperparameters only.
  void use(const Optimizer& optimizer);

  /// No parameter's magnitude is beyond `bound` now.
  void parameters_within(double bound) { parameters_ = bound; }

  /// No element of the optimizer's state, which was set, has a magnitude beyond `bound`.
  void state_within(double bound);

  /// Takes step number `step`, from 1, whose gradient has no magnitude beyond `gradient`. Returns
  /// whether parameters, optimizer state and all that their update computes surely stay finite.
  bool take_step(double gradient, std::uint64_t step);

 private:
  double gain_ = 0.0;    // how far one step moves a parameter for a gradient of 1, momentum aside
  double growth_ = 1.0;  // by which the decay may multiply a parameter
  double smallest_epsilon_;
  double limit_;
  double parameters_;
  double steepest_ = 0.0;  // the largest gradient so far
};

}  // namespace descend::engine
