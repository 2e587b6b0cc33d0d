// One step of an optimizer on some elements of theta: what belongs to it, and the step.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "descend/optimizer.hpp"
#include "engine/layout.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// l2 / 2 ||W||^2 + l1 ||W||_1 over all weights W, biases left out.
struct Penalty {
  double l2 = 0.0;
  double l1 = 0.0;

  bool any() const { return l2 > 0.0 || l1 > 0.0; }
  Penalty times(double factor) const { return {l2 * factor, l1 * factor}; }

  /// No element of its gradient has a magnitude beyond this where the penalty is `sum`: l2 |w| is
  /// at most sqrt(2 l2 sum). The factor of 4 leaves room for rounding.
  double gradient_bound(double sum) const { return std::sqrt(4.0 * l2 * sum) + l1; }
};

/// Bounds of the gradient, the penalty's included; infinity is none.
struct Clipping {
  double value = std::numeric_limits<double>::infinity();  ///< of each element's magnitude
  double norm = std::numeric_limits<double>::infinity();   ///< of all elements, these clipped

  bool by_value() const { return std::isfinite(value); }
  bool by_norm() const { return std::isfinite(norm); }
};

/// The vectors that steps change, of theta's layout.
template <class T>
struct Vectors {
  T* theta;
  T* state[kernels::kMostStates];  ///< as many as the optimizer keeps, null behind
  T* average;                      ///< the moving average of theta; null where none is kept
  double average_decay;
};

/// One optimizer step: the rule, what is common to all elements, and the vectors it changes.
template <class T>
struct Update {
  std::size_t rule;  ///< the optimizer's row
  const void* hyperparameters;
  kernels::StepScalars scalars;
  Vectors<T> vectors;
  Penalty penalty;            ///< whose gradient is added to the rows'
  double clip_value;          ///< then each element is clipped to this; infinity: none is
  double gradient_scale = 1;  ///< then multiplied by this
};

/// The update of step number `step`, from 1, of this learning rate.
template <class T>
Update<T> prepare_update(const Optimizer& optimizer, double learning_rate, std::uint64_t step,
                         const Vectors<T>& vectors, const Penalty& penalty, double clip_value);

/// Adds the penalty's gradient at these elements, which `theta` holds, to theirs.
template <class T>
void add_penalty_gradient(const kernels::Kernels<T>& kernels, const Update<T>& update,
                          const Elements& elements, const T* theta, T* gradient);

/// Clips each of `size` elements of the gradient, then scales it.
template <class T>
void clip(const kernels::Kernels<T>& kernels, const Update<T>& update, std::size_t size,
          T* gradient);

/// Updates these elements of theta by their gradient, which becomes what the rule is given: with
/// the penalty's, clipped.
template <class T>
void apply(const kernels::Kernels<T>& kernels, const Update<T>& update, const Elements& elements,
           T* gradient);

/// Vectors that a trial needs room for: copies of theta and the state.
constexpr std::size_t kTrialVectors = 1 + kernels::kMostStates;

/// Whether apply() would leave these elements of theta and of the state finite. Changes neither,
/// but the gradient; `copies` is room for kTrialVectors times as many elements.
template <class T>
bool stays_finite(const kernels::Kernels<T>& kernels, const Update<T>& update,
                  const Elements& elements, T* gradient, T* copies);

}  // namespace descend::engine
