// SGD and Lion: a step along the gradient, or along an average of the gradients.
#pragma once

#include "kernels/update_rule.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {
namespace update_rules {

// ---- SGD ----------------------------------------------------------------------------------------

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

// ---- Lion ---------------------------------------------------------------------------------------

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
