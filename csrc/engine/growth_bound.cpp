#include "engine/growth_bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <variant>

namespace descend::engine {

namespace {

// What bounds a step of an optimizer: before momentum, no update is beyond
//   learning_rate gain g / epsilon
struct Fields {
  double gain = 1.0, epsilon = 1.0, weight_decay = 0.0;
  double least_gradient = 0.0;   // a smaller one counts as this
  double carried_epsilon = 0.0;  // a state that was set counts by its root over this; 0: not so
};

// Of an optimizer that has no line below nothing is known, and each of its steps is tried.
template <class Hyperparameters>
Fields fields_of(const Hyperparameters&) {
  return {std::numeric_limits<double>::infinity()};
}
Fields fields_of(const SGD& h) { return {1.0, 1.0, h.weight_decay}; }
Fields fields_of(const AdaGrad& h) { return {1.0, h.epsilon}; }
Fields fields_of(const RMSProp& h) { return {1.0, h.epsilon}; }
Fields fields_of(const Adam& h) { return {1.0 / (1.0 - h.beta1), h.epsilon}; }
Fields fields_of(const AdamW& h) { return {1.0 / (1.0 - h.beta1), h.epsilon, h.weight_decay}; }
Fields fields_of(const AMSGrad& h) { return {1.0 / (1.0 - h.beta1), h.epsilon}; }
Fields fields_of(const Adamax& h) { return {1.0 / (1.0 - h.beta1), h.epsilon}; }
Fields fields_of(const NAdam& h) { return {2.0 / (1.0 - h.beta1), h.epsilon}; }
Fields fields_of(const Lion& h) { return {1.0, 1.0, h.weight_decay, 1.0}; }
// With S = s + epsilon and U = u + epsilon, a step that multiplies S by q multiplies U by
// 1 + rho - rho / q, at most q^rho, and adds epsilon at most: U stays below S^rho times what it
// began with and `step` epsilons. d^2 is at most U / (1 - rho).
Fields fields_of(const AdaDelta& h) {
  return {1.0 / std::sqrt(1.0 - h.rho), 1.0, 0.0, 1.0, h.epsilon};
}

template <class T>
constexpr double kLargest = std::numeric_limits<T>::max();
template <class T>
constexpr double kSmallest = std::numeric_limits<T>::min();

}  // namespace

GrowthBound::GrowthBound(const Optimizer& optimizer, DType dtype)
    : parameters_(std::numeric_limits<double>::infinity()) {
  const bool is_float = dtype == DType::float32;
  limit_ = (is_float ? kLargest<float> : kLargest<double>) / 16;  // room for rounding
  // The kernels take no epsilon below it.
  const double smallest_epsilon = is_float ? kSmallest<float> : kSmallest<double>;
  const Fields fields = std::visit([](const auto& h) { return fields_of(h); }, optimizer);
  unit_gain_ = fields.gain / std::clamp(fields.epsilon, smallest_epsilon, 1.0);
  weight_decay_ = fields.weight_decay;
  steepest_ = fields.least_gradient;
  if (fields.carried_epsilon > 0.0) {
    carried_scale_ = 1.0 / std::max(fields.carried_epsilon, smallest_epsilon);
  }
  if (std::isinf(fields.gain)) limit_ = 0.0;
}

void GrowthBound::state_within(double bound) {
  // As if a gradient of this size had made it, or where it is a velocity, steps before.
  const double known = std::isnan(bound) ? limit_ : bound;
  steepest_ = std::max(steepest_, known);
  carried_ = std::max(carried_, known);
  factor_ = std::max(factor_, std::sqrt(1.0 + known * carried_scale_));
}

bool GrowthBound::take_step(double learning_rate, double gradient, double most,
                            std::uint64_t step) {
  gain_ = std::max(gain_, learning_rate * unit_gain_);
  growth_ = std::max(growth_, std::abs(1.0 - learning_rate * weight_decay_));
  const bool known = gradient < limit_;
  steepest_ = std::max(steepest_, gradient < most ? gradient : most);
  // Averages and momentum sum what `step` steps gave, each by a factor of 1 at most.
  const double steps = static_cast<double>(step);
  const double counted = steepest_ * factor_;
  const double moved = steps * gain_ * counted + carried_;
  parameters_ = parameters_ * growth_ + moved;
  const double state = steps * std::max(counted, counted * counted);
  return known && std::max({gain_, growth_, parameters_, moved, state}) < limit_;
}

}  // namespace descend::engine
