// Adam and its kin: an average of the gradients over one of their magnitudes.
#pragma once

#include <cstdint>

#include "kernels/update_rule.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {
namespace update_rules {

// ---- Adam, AdamW --------------------------------------------------------------------------------

template <class T>
struct AdamRule {
  static constexpr int kStates = 2;
  Vec<T> beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon;
  Vec<T> step_size;   // learning_rate / (1 - beta1^t), the first of the step's scalars
  Vec<T> root_scale;  // 1 / sqrt(1 - beta2^t), the second; epsilon_hat moves it to the first

  template <class Hyperparameters>
  static DESCEND_INLINE AdamRule at(const Hyperparameters& h, const StepScalars& scalars) {
    return {
        rounded<T>(h.beta1),          rounded<T>(1.0 - h.beta1),      rounded<T>(h.beta2),
        rounded<T>(1.0 - h.beta2),    positive_epsilon<T>(h.epsilon), rounded<T>(scalars.values[0]),
        rounded<T>(scalars.values[1])};
  }
  template <class Hyperparameters>
  static StepScalars scalars(const Hyperparameters& h, double learning_rate, std::uint64_t step) {
    const double step_size = learning_rate / (1.0 - power(h.beta1, step));
    const double root = __builtin_sqrt(1.0 - power(h.beta2, step));
    if (h.epsilon_hat) return {learning_rate, {step_size * root, 1.0}};
    return {learning_rate, {step_size, 1.0 / root}};
  }
  DESCEND_INLINE void average(Vec<T> g, Vec<T>& m, Vec<T>& v) const {
    m = fma(beta1, m, one_minus_beta1 * g);
    v = fma(beta2, v, one_minus_beta2 * g * g);
  }
  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& v, Vec<T>&) const {
    average(g, m, v);
    return theta - step_size * m / fma(sqrt(v), root_scale, epsilon);
  }
};

template <class T>
struct AdamWRule {
  static constexpr int kStates = 2;
  AdamRule<T> adam;
  Vec<T> decay_rate;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& v, Vec<T>& unused) const {
    return adam.update(fma(-decay_rate, theta, theta), g, m, v, unused);
  }
};

template <class T>
struct Adam : FlatUpdate<T, Adam> {
  using Hyperparameters = descend::Adam;

  static StepScalars scalars(const Hyperparameters& h, double learning_rate, std::uint64_t step) {
    return AdamRule<T>::scalars(h, learning_rate, step);
  }

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool,
                                   Visitor&& visitor) {
    visitor(AdamRule<T>::at(h, scalars));
  }
};

template <class T>
struct AdamW : FlatUpdate<T, AdamW> {
  using Hyperparameters = descend::AdamW;

  static StepScalars scalars(const Hyperparameters& h, double learning_rate, std::uint64_t step) {
    return AdamRule<T>::scalars(h, learning_rate, step);
  }

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool decay,
                                   Visitor&& visitor) {
    visitor(AdamWRule<T>{AdamRule<T>::at(h, scalars), decay_rate<T>(h, scalars, decay)});
  }
};

// ---- AMSGrad ------------------------------------------------------------------------------------

template <class T>
struct AMSGradRule {
  static constexpr int kStates = 3;
  AdamRule<T> adam;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& v, Vec<T>& w) const {
    adam.average(g, m, v);
    w = max(w, v);
    return theta - adam.step_size * m / fma(sqrt(w), adam.root_scale, adam.epsilon);
  }
};

template <class T>
struct AMSGrad : FlatUpdate<T, AMSGrad> {
  using Hyperparameters = descend::AMSGrad;

  static StepScalars scalars(const Hyperparameters& h, double learning_rate, std::uint64_t step) {
    return {learning_rate,
            {learning_rate / (1.0 - power(h.beta1, step)),
             1.0 / __builtin_sqrt(1.0 - power(h.beta2, step))}};
  }

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool,
                                   Visitor&& visitor) {
    visitor(AMSGradRule<T>{AdamRule<T>::at(h, scalars)});
  }
};

// ---- Adamax -------------------------------------------------------------------------------------

template <class T>
struct AdamaxRule {
  static constexpr int kStates = 2;
  Vec<T> beta1, one_minus_beta1, beta2, epsilon;
  Vec<T> step_size;  // learning_rate / (1 - beta1^t)

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& u, Vec<T>&) const {
    m = fma(beta1, m, one_minus_beta1 * g);
    u = max(beta2 * u, abs(g) + epsilon);
    return theta - step_size * m / u;
  }
};

template <class T>
struct Adamax : FlatUpdate<T, Adamax> {
  using Hyperparameters = descend::Adamax;

  static StepScalars scalars(const Hyperparameters& h, double learning_rate, std::uint64_t step) {
    return {learning_rate, {learning_rate / (1.0 - power(h.beta1, step))}};
  }

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool,
                                   Visitor&& visitor) {
    visitor(AdamaxRule<T>{rounded<T>(h.beta1), rounded<T>(1.0 - h.beta1), rounded<T>(h.beta2),
                          positive_epsilon<T>(h.epsilon), rounded<T>(scalars.values[0])});
  }
};

// ---- NAdam --------------------------------------------------------------------------------------

template <class T>
struct NAdamRule {
  static constexpr int kStates = 2;
  AdamRule<T> adam;      // its step_size that of m
  Vec<T> gradient_size;  // learning_rate (1 - beta1) / (1 - beta1^t)

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& v, Vec<T>&) const {
    adam.average(g, m, v);
    const Vec<T> ahead = fma(adam.step_size, m, gradient_size * g);
    return theta - ahead / fma(sqrt(v), adam.root_scale, adam.epsilon);
  }
};

template <class T>
struct NAdam : FlatUpdate<T, NAdam> {
  using Hyperparameters = descend::NAdam;

  static StepScalars scalars(const Hyperparameters& h, double learning_rate, std::uint64_t step) {
    return {learning_rate,
            {learning_rate * h.beta1 / (1.0 - power(h.beta1, step + 1)),
             1.0 / __builtin_sqrt(1.0 - power(h.beta2, step)),
             learning_rate * (1.0 - h.beta1) / (1.0 - power(h.beta1, step))}};
  }

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool,
                                   Visitor&& visitor) {
    visitor(NAdamRule<T>{AdamRule<T>::at(h, scalars), rounded<T>(scalars.values[2])});
  }
};

}  // namespace update_rules
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
