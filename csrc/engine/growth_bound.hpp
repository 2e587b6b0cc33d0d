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

  /// No parameter's magnitude is beyond `bound` now.
  void parameters_within(double bound) { parameters_ = bound; }

  /// No element of the optimizer's state, which was set, has a magnitude beyond `bound`.
  void state_within(double bound);

  /// Takes step number `step`, from 1, of this learning rate, whose gradient has no magnitude
  /// beyond `gradient`, and is clipped to `most` then. Returns whether parameters, optimizer state
  /// and all that their update computes surely stay finite.
  bool take_step(double learning_rate, double gradient, double most, std::uint64_t step);

 private:
  double unit_gain_;  // how far a rate of 1 moves a parameter for a gradient of 1, momentum aside
  double weight_decay_;
  double limit_;
  double gain_ = 0.0;     // of the highest rate so far: momentum goes on with what it gave
  double growth_ = 1.0;   // by which the decay may multiply a parameter
  double carried_ = 0.0;  // what a state that was set may move a parameter, each step
  double carried_scale_ = 0.0, factor_ = 1.0;  // where it multiplies what a gradient moves
  double parameters_;
  double steepest_ = 0.0;  // the largest gradient so far
};

}  // namespace descend::engine
