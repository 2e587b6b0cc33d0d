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
  if (std::isinf(fields.gain)) limit_ = 0.0;
}

void GrowthBound::state_within(double bound) {
  // As if a gradient of this size had made it, or where it is a velocity, steps before.
  const double known = std::isnan(bound) ? limit_ : bound;
  steepest_ = std::max(steepest_, known);
  carried_ = std::max(carried_, known);
}

bool GrowthBound::take_step(double learning_rate, double gradient, double most,
                            std::uint64_t step) {
  gain_ = std::max(gain_, learning_rate * unit_gain_);
  growth_ = std::max(growth_, std::abs(1.0 - learning_rate * weight_decay_));
  const bool known = gradient < limit_;
  steepest_ = std::max(steepest_, gradient < most ? gradient : most);
  // Averages and momentum sum what `step` steps gave, each by a factor of 1 at most.
  const double steps = static_cast<double>(step);
  const double moved = steps * gain_ * steepest_ + carried_;
  parameters_ = parameters_ * growth_ + moved;
  const double state = steps * std::max(steepest_, steepest_ * steepest_);
  return known && std::max({gain_, growth_, parameters_, moved, state}) < limit_;
}

}  // namespace descend::engine
