#include "engine/update.hpp"

#include <algorithm>
#include <variant>

#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

template <class T>
void take_step(const kernels::Kernels<T>& kernels, const Update<T>& update,
               const Elements& elements, const T* gradient, T* theta,
               T* const (&state)[kernels::kMostStates]) {
  kernels.update[update.rule]({update.hyperparameters,
                               update.scalars,
                               !elements.are_biases,
                               elements.size,
                               theta,
                               gradient,
                               {state[0], state[1], state[2]}});
}

}  // namespace

template <class T>
Update<T> prepare_update(const Optimizer& optimizer, double learning_rate, std::uint64_t step,
                         const Vectors<T>& vectors, const Penalty& penalty, double clip_value) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const void* hyperparameters =
      std::visit([](const auto& rule) -> const void* { return &rule; }, optimizer);
  const std::size_t rule = optimizer.index();
  return {rule,    hyperparameters, kernels.prepare[rule](hyperparameters, learning_rate, step),
          vectors, penalty,         clip_value};
}

template <class T>
void add_penalty_gradient(const kernels::Kernels<T>& kernels, const Update<T>& update,
                          const Elements& elements, const T* theta, T* gradient) {
  if (!update.penalty.any() || elements.are_biases) return;
  kernels.add_penalty_gradient(elements.size, theta, static_cast<T>(update.penalty.l2),
                               static_cast<T>(update.penalty.l1), gradient);
}

template <class T>
void clip(const kernels::Kernels<T>& kernels, const Update<T>& update, std::size_t size,
          T* gradient) {
  if (std::isfinite(update.clip_value)) {
    kernels.clip(size, static_cast<T>(update.clip_value), gradient);
  }
  if (update.gradient_scale != 1.0) {
    kernels.scale(size, static_cast<T>(update.gradient_scale), gradient);
  }
}

template <class T>
void apply(const kernels::Kernels<T>& kernels, const Update<T>& update, const Elements& elements,
           T* gradient) {
  const Vectors<T>& vectors = update.vectors;
  const auto state = [&](int i) {
    return vectors.state[i] == nullptr ? nullptr : vectors.state[i] + elements.offset;
  };
  T* const theta = vectors.theta + elements.offset;
  add_penalty_gradient(kernels, update, elements, theta, gradient);
  clip(kernels, update, elements.size, gradient);
  take_step(kernels, update, elements, gradient, theta, {state(0), state(1), state(2)});
  if (vectors.average == nullptr) return;
  kernels.move_average(elements.size, theta, static_cast<T>(vectors.average_decay),
                       static_cast<T>(1.0 - vectors.average_decay),
                       vectors.average + elements.offset);
}

template <class T>
bool stays_finite(const kernels::Kernels<T>& kernels, const Update<T>& update,
                  const Elements& elements, T* gradient, T* copies) {
  const std::size_t size = elements.size;
  T* const theta = copies;
  std::copy_n(update.vectors.theta + elements.offset, size, theta);
  T* state[kernels::kMostStates] = {};
  for (std::size_t i = 0; i < kernels::kMostStates; ++i) {
    if (update.vectors.state[i] == nullptr) continue;
    state[i] = copies + (1 + i) * size;
    std::copy_n(update.vectors.state[i] + elements.offset, size, state[i]);
  }
  add_penalty_gradient(kernels, update, elements, theta, gradient);
  bool finite = kernels.all_finite(size, gradient);
  clip(kernels, update, size, gradient);
  take_step(kernels, update, elements, gradient, theta, state);
  for (const T* updated : {theta, state[0], state[1], state[2]}) {
    finite = finite && (updated == nullptr || kernels.all_finite(size, updated));
  }
  return finite;
}

#define DESCEND_INSTANTIATE(T)                                                                  \
  template Update<T> prepare_update(const Optimizer&, double, std::uint64_t, const Vectors<T>&, \
                                    const Penalty&, double);                                    \
  template void add_penalty_gradient(const kernels::Kernels<T>&, const Update<T>&,              \
                                     const Elements&, const T*, T*);                            \
  template void clip(const kernels::Kernels<T>&, const Update<T>&, std::size_t, T*);            \
  template void apply(const kernels::Kernels<T>&, const Update<T>&, const Elements&, T*);       \
  template bool stays_finite(const kernels::Kernels<T>&, const Update<T>&, const Elements&, T*, T*);
DESCEND_INSTANTIATE(float)
DESCEND_INSTANTIATE(double)
#undef DESCEND_INSTANTIATE

}  // namespace descend::engine
