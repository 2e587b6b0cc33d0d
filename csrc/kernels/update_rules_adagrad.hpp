// AdaGrad and its kin: the gradient over the root of squared gradients, summed up or averaged.
#pragma once

#include "kernels/update_rule.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {
namespace update_rules {

// ---- AdaGrad ------------------------------------------------------------------------------------

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

// ---- RMSProp ------------------------------------------------------------------------------------

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

// ---- AdaDelta -----------------------------------------------------------------------------------

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

}  // namespace update_rules
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
