// What the rules of update_rules.hpp have in common.
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

}  // namespace update_rules
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
