// The update of theta on a GPU: partial sums of the gradient, penalty, clipping, the optimizer's
// rule and the moving average, in the order of engine/update.cpp.
#pragma once

#include "kernels/cuda_steps.cuh"
#include "kernels/update_rules.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

constexpr unsigned kUpdateThreads = 256;

/// An element's gradient over a block of rows.
template <class T>
__device__ __forceinline__ T sum_of_parts(const CudaUpdate<T>& update, const CudaElements& elements,
                                          unsigned i, unsigned block) {
  const std::size_t ld = update.partial_size;
  const T* const part = update.partial + block * kRowParts * ld + elements.partial + i;
  return flushed(flushed(part[0] + part[ld]) + flushed(part[2 * ld] + part[3 * ld]));
}

/// An element's gradient, from its partial sums or where it stands.
template <class T>
__device__ __forceinline__ T gradient_at(const CudaUpdate<T>& update, const CudaElements& elements,
                                         unsigned i) {
  if (elements.row_blocks == 0) return update.gradient[elements.offset + i];
  T sum = sum_of_parts(update, elements, i, 0);
  for (unsigned block = 1; block < elements.row_blocks; ++block) {
    sum = flushed(sum + sum_of_parts(update, elements, i, block));
  }
  return sum;
}

/// Adds the penalty's gradient at an element of the weights.
template <class T>
__device__ __forceinline__ T with_penalty(const CudaStepEntry& entry, T theta, T gradient) {
  const T l2 = static_cast<T>(entry.l2), l1 = static_cast<T>(entry.l1);
  const T sign = static_cast<T>(theta > T{0}) - static_cast<T>(theta < T{0});
  const T penalty = flushed(flushed(l2 * theta) + flushed(l1 * sign));
  return flushed(gradient + penalty);
}

template <class T>
__device__ __forceinline__ T clipped(T x, T most) {
  const T above = x < -most ? -most : x;
  return above > most ? most : above;
}

template <class T>
__device__ __forceinline__ void end_update(const CudaStep<T>& step, bool overflows) {
  CudaControl& control = *step.control;
  if (overflows) control.overflow = 1;
  if (!is_last_block(control, gridDim.x) || threadIdx.x != 0) return;
  if (*static_cast<volatile unsigned*>(&control.overflow) != 0) {
    control.end = CudaEnd::overflow;
  } else {
    control.current ^= 1u;
    ++control.steps;
  }
}

template <class T, class Rule>
__global__ void __launch_bounds__(kUpdateThreads)
    update_kernel(const CudaStep<T> step, const CudaUpdate<T> update) {
  if (step.control->end != CudaEnd::none) return;
  const unsigned from = step.control->current, to = from ^ 1u;
  const CudaStepEntry& entry = step.entries[step.control->steps];
  const CudaVectors<T>& vectors = step.vectors;
  const CudaElements elements = update.elements[blockIdx.x];
  const Rule rule = *reinterpret_cast<const Rule*>(elements.are_biases ? entry.of_biases.bytes
                                                                       : entry.of_weights.bytes);
  const T scale = static_cast<T>(update.clips_norm ? step.control->gradient_scale : 1.0);
  bool overflows = false;
  for (unsigned i = threadIdx.x; i < elements.size; i += kUpdateThreads) {
    const std::size_t place = elements.offset + i;
    const T theta = vectors.theta[from][place];
    T gradient = update.clips_norm ? update.gradient[place] : gradient_at(update, elements, i);
    if (update.clips_norm) {
      if (scale != T{1}) gradient = flushed(gradient * scale);
    } else {
      if (update.has_penalty && !elements.are_biases) {
        gradient = with_penalty(entry, theta, gradient);
      }
      overflows |= !is_finite(gradient);
      if (update.clips_value) gradient = clipped(gradient, update.clip_value);
    }
    Vec<T> states[kMostStates];
#pragma unroll
    for (int k = 0; k < static_cast<int>(kMostStates); ++k) {
      states[k] = {k < Rule::kStates ? vectors.state[k][from][place] : T{0}};
    }
    const T moved =
        rule.update(Vec<T>{theta}, Vec<T>{gradient}, states[0], states[1], states[2]).lane;
    overflows |= !is_finite(moved);
    vectors.theta[to][place] = moved;
#pragma unroll
    for (int k = 0; k < Rule::kStates; ++k) {
      overflows |= !is_finite(states[k].lane);
      vectors.state[k][to][place] = states[k].lane;
    }
    if (vectors.average[0] != nullptr) {
      const T kept = flushed(vectors.average_decay * vectors.average[from][place]);
      vectors.average[to][place] = flushed(kept + flushed(vectors.average_rest * moved));
    }
  }
  end_update(step, overflows);
}

template <class T>
__global__ void __launch_bounds__(kUpdateThreads)
    combine_kernel(const CudaStep<T> step, const CudaUpdate<T> update, bool adds) {
  if (step.control->end != CudaEnd::none) return;
  const CudaElements elements = update.elements[blockIdx.x];
  if (elements.row_blocks == 0) return;
  for (unsigned i = threadIdx.x; i < elements.size; i += kUpdateThreads) {
    const std::size_t place = elements.offset + i;
    T gradient = sum_of_parts(update, elements, i, 0);
    if (adds) gradient = flushed(update.gradient[place] + gradient);
    for (unsigned block = 1; block < elements.row_blocks; ++block) {
      gradient = flushed(gradient + sum_of_parts(update, elements, i, block));
    }
    update.gradient[place] = gradient;
  }
}

// ---- sums over all parameters, in the blocks of engine/parameter_blocks
// ----------------------------

template <class T>
__global__ void __launch_bounds__(kUpdateThreads)
    penalty_kernel(const CudaStep<T> step, const CudaUpdate<T> update) {
  if (step.control->end != CudaEnd::none) return;
  __shared__ double room[kTermRoom];
  const CudaStepEntry& entry = step.entries[step.control->steps];
  const CudaElements elements = update.elements[blockIdx.x];
  const T* const theta = step.vectors.theta[step.control->current] + elements.offset;
  const double half_l2 = product(0.5, entry.l2);
  const double sum =
      elements.are_biases ? 0.0 : sum_in_lanes(elements.size, room, [&](std::size_t i) {
        const double value = static_cast<double>(theta[i]);
        return added(product(half_l2, product(value, value)),
                     product(entry.l1, value < 0.0 ? -value : value));
      });
  if (threadIdx.x == 0) update.sums[blockIdx.x] = sum;
  if (!is_last_block(*step.control, gridDim.x)) return;
  const double all =
      sum_in_order(gridDim.x, room, [&](std::size_t i) { return __ldcg(update.sums + i); });
  if (threadIdx.x == 0) step.control->penalty_sum = all;
}

template <class T>
__global__ void __launch_bounds__(kUpdateThreads)
    clip_norm_kernel(const CudaStep<T> step, const CudaUpdate<T> update) {
  if (step.control->end != CudaEnd::none) return;
  __shared__ double room[kTermRoom];
  const CudaStepEntry& entry = step.entries[step.control->steps];
  const CudaElements elements = update.elements[blockIdx.x];
  const T* const theta = step.vectors.theta[step.control->current];
  bool overflows = false;
  const double sum = sum_in_lanes(elements.size, room, [&](std::size_t i) {
    const std::size_t place = elements.offset + i;
    T gradient = gradient_at(update, elements, static_cast<unsigned>(i));
    if (update.has_penalty && !elements.are_biases) {
      gradient = with_penalty(entry, theta[place], gradient);
    }
    overflows |= !is_finite(gradient);
    if (update.clips_value) gradient = clipped(gradient, update.clip_value);
    update.gradient[place] = gradient;
    const double value = static_cast<double>(gradient);
    return product(value, value);
  });
  if (overflows) step.control->overflow = 1;
  if (threadIdx.x == 0) update.sums[blockIdx.x] = sum;
  if (!is_last_block(*step.control, gridDim.x)) return;
  const double squares =
      sum_in_order(gridDim.x, room, [&](std::size_t i) { return __ldcg(update.sums + i); });
  if (threadIdx.x != 0) return;
  CudaControl& control = *step.control;
  const double norm = ::sqrt(squares);
  if (!is_finite(norm)) control.overflow = 1;
  control.gradient_scale = norm > update.clip_norm ? flushed(update.clip_norm / norm) : 1.0;
}

template <class T>
void launch_combine(const CudaStep<T>& step, const CudaUpdate<T>& update, bool adds,
                    CudaStream stream) {
  combine_kernel<T><<<update.blocks, kUpdateThreads, 0, stream>>>(step, update, adds);
}
template <class T>
void launch_penalty(const CudaStep<T>& step, const CudaUpdate<T>& update, CudaStream stream) {
  penalty_kernel<T><<<update.blocks, kUpdateThreads, 0, stream>>>(step, update);
}
template <class T>
void launch_clip_norm(const CudaStep<T>& step, const CudaUpdate<T>& update, CudaStream stream) {
  clip_norm_kernel<T><<<update.blocks, kUpdateThreads, 0, stream>>>(step, update);
}

/// The update of a row of optimizer.hpp, whose hyperparameters pick its rule.
template <class T, template <class> class Row>
struct RowUpdate {
  using Hyperparameters = typename Row<T>::Hyperparameters;

  static void make_rule(const void* hyperparameters, const StepScalars& scalars, bool decay,
                        CudaRule& made) {
    Row<T>::visit(*static_cast<const Hyperparameters*>(hyperparameters), scalars, decay,
                  [&](const auto& rule) {
                    static_assert(sizeof(rule) <= CudaRule::kBytes, "a CudaRule holds any rule");
                    memcpy(made.bytes, &rule, sizeof(rule));
                  });
  }

  static void launch(const void* hyperparameters, const CudaStep<T>& step,
                     const CudaUpdate<T>& update, CudaStream stream) {
    Row<T>::visit(*static_cast<const Hyperparameters*>(hyperparameters), StepScalars{}, false,
                  [&](const auto& rule) { launch_rule(rule, step, update, stream); });
  }

 private:
  template <class Rule>
  static void launch_rule(const Rule&, const CudaStep<T>& step, const CudaUpdate<T>& update,
                          CudaStream stream) {
    update_kernel<T, Rule><<<update.blocks, kUpdateThreads, 0, stream>>>(step, update);
  }
};

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
