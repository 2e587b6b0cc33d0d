// One optimizer step, one struct for each row of optimizer.hpp (the formulas stand there).
//   theta, gradient g, states s: vectors of the same size
// A rule updates one group in registers: it holds what the step has in common for all elements,
// computed in double and rounded once; what depends on the step's number comes from the row's
// scalars(), taken once a step. A row's visit() picks the rule that the hyperparameters ask for;
// update_group() applies it wherever a gradient is at hand, flat() to whole vectors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "descend/optimizer.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/math.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {
namespace update_rules {

/// base^n by repeated squaring: the C library's pow may differ from machine to machine.
inline double power(double base, std::uint64_t n) {
  double value = 1.0;
  for (; n > 0; n >>= 1, base *= base) {
    if (n & 1) value *= base;
  }
  return value;
}

template <class T>
DESCEND_INLINE Vec<T> rounded(double x) {
  return Vec<T>::broadcast(static_cast<T>(x));
}

/// At least the smallest normal number, so that an element that is all zeros never gives 0 / 0.
template <class T>
DESCEND_INLINE Vec<T> positive_epsilon(double epsilon) {
  return max(rounded<T>(epsilon), Vec<T>::broadcast(Constants<T>::kSmallestNormal));
}

/// How fast weights decay: learning_rate weight_decay, or 0 for biases.
template <class T, class Hyperparameters>
DESCEND_INLINE Vec<T> decay_rate(const Hyperparameters& h, const StepScalars& scalars, bool decay) {
  return rounded<T>(decay ? scalars.learning_rate * h.weight_decay : 0.0);
}

/// Applies `rule` to one group, given its gradient.
template <class T, class Rule>
DESCEND_INLINE void update_group(const Rule& rule, T* theta, Vec<T> gradient, T* state0, T* state1,
                                 T* state2) {
  Vec<T> s0 = Rule::kStates > 0 ? Vec<T>::load(state0) : Vec<T>::zero();
  Vec<T> s1 = Rule::kStates > 1 ? Vec<T>::load(state1) : Vec<T>::zero();
  Vec<T> s2 = Rule::kStates > 2 ? Vec<T>::load(state2) : Vec<T>::zero();
  rule.update(Vec<T>::load(theta), gradient, s0, s1, s2).store(theta);
  if (Rule::kStates > 0) s0.store(state0);
  if (Rule::kStates > 1) s1.store(state1);
  if (Rule::kStates > 2) s2.store(state2);
}

/// The same for the first `count` elements of a group.
template <class T, class Rule>
DESCEND_INLINE void update_first(const Rule& rule, std::size_t count, T* theta, Vec<T> gradient,
                                 T* state0, T* state1, T* state2) {
  Vec<T> s0 = Rule::kStates > 0 ? Vec<T>::load_first(state0, count) : Vec<T>::zero();
  Vec<T> s1 = Rule::kStates > 1 ? Vec<T>::load_first(state1, count) : Vec<T>::zero();
  Vec<T> s2 = Rule::kStates > 2 ? Vec<T>::load_first(state2, count) : Vec<T>::zero();
  rule.update(Vec<T>::load_first(theta, count), gradient, s0, s1, s2).store_first(theta, count);
  if (Rule::kStates > 0) s0.store_first(state0, count);
  if (Rule::kStates > 1) s1.store_first(state1, count);
  if (Rule::kStates > 2) s2.store_first(state2, count);
}

/// flat() of every row, and scalars() of those whose updates do not depend on the step's number.
template <class T, template <class> class Row>
struct FlatUpdate {
  template <class Hyperparameters>
  static StepScalars scalars(const Hyperparameters&, double learning_rate, std::uint64_t) {
    return {learning_rate, {}};
  }

  /// What the step has in common for all elements, once a step.
  static StepScalars prepare(const void* hyperparameters, double learning_rate,
                             std::uint64_t step) {
    return Row<T>::scalars(*static_cast<const typename Row<T>::Hyperparameters*>(hyperparameters),
                           learning_rate, step);
  }

  static void flat(const UpdateArguments<T>& update) {
    const auto& h = *static_cast<const typename Row<T>::Hyperparameters*>(update.hyperparameters);
    Row<T>::visit(h, update.scalars, update.decay, [&](const auto& rule) {
      const auto state = [&](int k, std::size_t i) {
        return k < rule.kStates ? update.state[k] + i : nullptr;
      };
      std::size_t i = 0;
      for (; i + kGroup<T> <= update.count; i += kGroup<T>) {
        update_group(rule, update.theta + i, Vec<T>::load(update.gradient + i), state(0, i),
                     state(1, i), state(2, i));
      }
      const std::size_t rest = update.count - i;
      update_first(rule, rest, update.theta + i, Vec<T>::load_first(update.gradient + i, rest),
                   state(0, i), state(1, i), state(2, i));
    });
  }
};

// ---- SGD ---------------------------------------------------------------------------------------

template <class T>
struct PlainSGD {
  static constexpr int kStates = 0;
  Vec<T> learning_rate, decay_rate;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>&, Vec<T>&, Vec<T>&) const {
    return fma(-learning_rate, g, fma(-decay_rate, theta, theta));
  }
};

template <class T>
struct MomentumSGD {
  static constexpr int kStates = 1;
  Vec<T> learning_rate, decay_rate, momentum;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& velocity, Vec<T>&, Vec<T>&) const {
    velocity = fma(-learning_rate, g, momentum * velocity);
    return fma(-decay_rate, theta, theta) + velocity;
  }
};

template <class T>
struct NesterovSGD {
  static constexpr int kStates = 1;
  Vec<T> learning_rate, decay_rate, momentum;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& velocity, Vec<T>&, Vec<T>&) const {
    velocity = fma(-learning_rate, g, momentum * velocity);
    return fma(-decay_rate, theta, theta) + fma(-learning_rate, g, momentum * velocity);
  }
};

template <class T>
struct SGD : FlatUpdate<T, SGD> {
  using Hyperparameters = descend::SGD;

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool decay,
                                   Visitor&& visitor) {
    const Vec<T> learning_rate = rounded<T>(scalars.learning_rate);
    const Vec<T> rate = decay_rate<T>(h, scalars, decay);
    const Vec<T> momentum = rounded<T>(h.momentum);
    if (h.momentum == 0.0) {
      visitor(PlainSGD<T>{learning_rate, rate});
    } else if (h.nesterov) {
      visitor(NesterovSGD<T>{learning_rate, rate, momentum});
    } else {
      visitor(MomentumSGD<T>{learning_rate, rate, momentum});
    }
  }
};

// ---- AdaGrad -----------------------------------------------------------------------------------

template <class T>
struct AdaGradRule {
  static constexpr int kStates = 1;
  Vec<T> learning_rate, epsilon;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& squares, Vec<T>&, Vec<T>&) const {
    squares = fma(g, g, squares);
    return theta - learning_rate * g / (sqrt(squares) + epsilon);
  }
};

template <class T>
struct AdaGrad : FlatUpdate<T, AdaGrad> {
  using Hyperparameters = descend::AdaGrad;

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool,
                                   Visitor&& visitor) {
    visitor(AdaGradRule<T>{rounded<T>(scalars.learning_rate), positive_epsilon<T>(h.epsilon)});
  }
};

// ---- RMSProp -----------------------------------------------------------------------------------

template <class T>
struct PlainRMSProp {
  static constexpr int kStates = 1;
  Vec<T> learning_rate, rho, one_minus_rho, epsilon;

  DESCEND_INLINE Vec<T> change(Vec<T> g, Vec<T>& squares) const {
    squares = fma(rho, squares, one_minus_rho * g * g);
    return learning_rate * g / (sqrt(squares) + epsilon);
  }
  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& squares, Vec<T>&, Vec<T>&) const {
    return theta - change(g, squares);
  }
};

template <class T>
struct MomentumRMSProp {
  static constexpr int kStates = 2;
  PlainRMSProp<T> plain;
  Vec<T> momentum;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& squares, Vec<T>& velocity,
                               Vec<T>&) const {
    velocity = fma(momentum, velocity, plain.change(g, squares));
    return theta - velocity;
  }
};

template <class T>
struct RMSProp : FlatUpdate<T, RMSProp> {
  using Hyperparameters = descend::RMSProp;

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool,
                                   Visitor&& visitor) {
    const PlainRMSProp<T> plain = {rounded<T>(scalars.learning_rate), rounded<T>(h.rho),
                                   rounded<T>(1.0 - h.rho), positive_epsilon<T>(h.epsilon)};
    if (h.momentum == 0.0) {
      visitor(plain);
    } else {
      visitor(MomentumRMSProp<T>{plain, rounded<T>(h.momentum)});
    }
  }
};

// ---- Adam, AdamW -------------------------------------------------------------------------------

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
  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& v, Vec<T>&) const {
    m = fma(beta1, m, one_minus_beta1 * g);
    v = fma(beta2, v, one_minus_beta2 * g * g);
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

// ---- AdaDelta ----------------------------------------------------------------------------------

template <class T>
struct AdaDeltaRule {
  static constexpr int kStates = 2;
  Vec<T> learning_rate, rho, one_minus_rho, epsilon;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& s, Vec<T>& u, Vec<T>&) const {
    s = fma(rho, s, one_minus_rho * g * g);
    const Vec<T> d = sqrt(u + epsilon) / sqrt(s + epsilon) * g;
    u = fma(rho, u, one_minus_rho * d * d);
    return fma(-learning_rate, d, theta);
  }
};

template <class T>
struct AdaDelta : FlatUpdate<T, AdaDelta> {
  using Hyperparameters = descend::AdaDelta;

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool,
                                   Visitor&& visitor) {
    visitor(AdaDeltaRule<T>{rounded<T>(scalars.learning_rate), rounded<T>(h.rho),
                            rounded<T>(1.0 - h.rho), positive_epsilon<T>(h.epsilon)});
  }
};

// ---- AMSGrad -----------------------------------------------------------------------------------

template <class T>
struct AMSGradRule {
  static constexpr int kStates = 3;
  AdamRule<T> adam;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& v, Vec<T>& w) const {
    m = fma(adam.beta1, m, adam.one_minus_beta1 * g);
    v = fma(adam.beta2, v, adam.one_minus_beta2 * g * g);
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

// ---- Adamax ------------------------------------------------------------------------------------

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

// ---- NAdam -------------------------------------------------------------------------------------

template <class T>
struct NAdamRule {
  static constexpr int kStates = 2;
  AdamRule<T> adam;      // its step_size that of m
  Vec<T> gradient_size;  // learning_rate (1 - beta1) / (1 - beta1^t)

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>& v, Vec<T>&) const {
    m = fma(adam.beta1, m, adam.one_minus_beta1 * g);
    v = fma(adam.beta2, v, adam.one_minus_beta2 * g * g);
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

// ---- Lion --------------------------------------------------------------------------------------

template <class T>
struct LionRule {
  static constexpr int kStates = 1;
  Vec<T> learning_rate, decay_rate, beta1, one_minus_beta1, beta2, one_minus_beta2;

  DESCEND_INLINE Vec<T> update(Vec<T> theta, Vec<T> g, Vec<T>& m, Vec<T>&, Vec<T>&) const {
    const Vec<T> zero = Vec<T>::zero();
    const Vec<T> average = fma(beta1, m, one_minus_beta1 * g);
    m = fma(beta2, m, one_minus_beta2 * g);
    const Vec<T> down = select(less(zero, average), learning_rate, zero);
    const Vec<T> step = select(less(average, zero), -learning_rate, down);
    return fma(-decay_rate, theta, theta) - step;
  }
};

template <class T>
struct Lion : FlatUpdate<T, Lion> {
  using Hyperparameters = descend::Lion;

  template <class Visitor>
  static DESCEND_INLINE void visit(const Hyperparameters& h, const StepScalars& scalars, bool decay,
                                   Visitor&& visitor) {
    visitor(LionRule<T>{rounded<T>(scalars.learning_rate), decay_rate<T>(h, scalars, decay),
                        rounded<T>(h.beta1), rounded<T>(1.0 - h.beta1), rounded<T>(h.beta2),
                        rounded<T>(1.0 - h.beta2)});
  }
};

}  // namespace update_rules
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
