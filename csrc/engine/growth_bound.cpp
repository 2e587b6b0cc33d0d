#include "engine/growth_bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <variant>

namespace descend::engine {

namespace {

// The optimizers' fields that bound a step; every update is one of
//   lr g / (1 - beta1)  and  lr g / ((1 - beta1) (sqrt(s) + epsilon))  at most, before momentum.
struct Fields {
  double learning_rate = 0.0, epsilon = 1.0, beta1 = 0.0, weight_decay = 0.0;
};

// Of an optimizer that has no line below nothing is known, and each of its steps is tried.
template <class Hyperparameters>
Fields fields_of(const Hyperparameters&) {
  return {std::numeric_limits<double>::infinity()};
}
Fields fields_of(const SGD& h) { return {h.learning_rate, 1.0, 0.0, h.weight_decay}; }
Fields fields_of(const AdaGrad& h) { return {h.learning_rate, h.epsilon, 0.0, 0.0}; }
Fields fields_of(const RMSProp& h) { return {h.learning_rate, h.epsilon, 0.0, 0.0}; }
Fields fields_of(const Adam& h) { return {h.learning_rate, h.epsilon, h.beta1, 0.0}; }
Fields fields_of(const AdamW& h) { return {h.learning_rate, h.epsilon, h.beta1, h.weight_decay}; }

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
  smallest_epsilon_ = is_float ? kSmallest<float> : kSmallest<double>;
  use(optimizer);
}

void GrowthBound::use(const Optimizer& optimizer) {
  const Fields fields = std::visit([](const auto& h) { return fields_of(h); }, optimizer);
  const double epsilon = std::clamp(fields.epsilon, smallest_epsilon_, 1.0);
  // Momentum goes on with what earlier hyperparameters gave.
  gain_ = std::max(gain_, fields.learning_rate / (1.0 - fields.beta1) / epsilon);
  growth_ = std::max(growth_, std::abs(1.0 - fields.learning_rate * fields.weight_decay));
}

void GrowthBound::state_within(double bound) {
  // As if a gradient of this size had made it, also where it is a velocity.
  const double made_by = bound == 0.0 ? 0.0 : std::max(bound, bound / gain_);
  steepest_ = std::max(steepest_, std::isnan(made_by) ? limit_ : made_by);
}

bool GrowthBound::take_step(double gradient, std::uint64_t step) {
  if (!(gradient <= steepest_)) {
    steepest_ = std::isnan(gradient) ? std::numeric_limits<double>::infinity() : gradient;
  }
  // Averages and momentum sum what `step` steps gave, each by a factor of 1 at most.
  const double steps = static_cast<double>(step);
  const double moved = steps * gain_ * steepest_;
  parameters_ = parameters_ * growth_ + moved;
  const double state = steps * std::max(steepest_, steepest_ * steepest_);
  return std::max({gain_, growth_, parameters_, state}) < limit_;
}

}  // namespace descend::engine
