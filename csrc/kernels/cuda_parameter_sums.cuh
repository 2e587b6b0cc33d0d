// Sums over all parameters on a GPU, in the blocks of engine/parameter_blocks: the penalty, and the
// norm that clips a gradient.
#pragma once

#include "kernels/cuda_gradient_terms.cuh"
#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_steps.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

constexpr unsigned kSumThreads = 256;

template <class T>
__global__ void __launch_bounds__(kSumThreads)
    penalty_kernel(const CudaStep<T> step, const CudaUpdate<T> update) {
  if (!goes_on(step)) return;
  __shared__ double room[kTermRoom];
  const CudaStepEntry& entry = step.entries[step.control->steps];
  const CudaElements elements = update.elements[blockIdx.x];
  const T* const theta = of_copy(step.vectors.theta, step.control->current) + elements.offset;
  const double half_l2 = product(0.5, entry.l2);
  const double sum =
      elements.are_biases ? 0.0 : sum_in_lanes(elements.size, room, [&](std::size_t i) {
        const double value = static_cast<double>(theta[i]);
        return added(product(half_l2, product(value, value)),
                     product(entry.l1, value < 0.0 ? -value : value));
      });
  if (threadIdx.x == 0) update.sums[blockIdx.x] = sum;
  if (!is_last_block(step.control->blocks_done, gridDim.x)) return;
  const double all =
      sum_in_order(gridDim.x, room, [&](std::size_t i) { return __ldcg(update.sums + i); });
  if (threadIdx.x == 0) step.control->penalty_sum = all;
}

template <class T>
__global__ void __launch_bounds__(kSumThreads)
    clip_norm_kernel(const CudaStep<T> step, const CudaUpdate<T> update) {
  if (!goes_on(step)) return;
  __shared__ double room[kTermRoom];
  const CudaStepEntry& entry = step.entries[step.control->steps];
  const CudaElements elements = update.elements[blockIdx.x];
  const T* const theta = of_copy(step.vectors.theta, step.control->current);
  bool overflows = false;
  const double sum = sum_in_lanes(elements.size, room, [&](std::size_t i) {
    const std::size_t place = elements.offset + i;
    T gradient = update.gradient[place];
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
  if (!is_last_block(step.control->blocks_done, gridDim.x)) return;
  const double squares =
      sum_in_order(gridDim.x, room, [&](std::size_t i) { return __ldcg(update.sums + i); });
  if (threadIdx.x != 0) return;
  CudaControl& control = *step.control;
  const double norm = ::sqrt(squares);
  if (!is_finite(norm)) control.overflow = 1;
  control.gradient_scale = norm > update.clip_norm ? flushed(update.clip_norm / norm) : 1.0;
}

template <class T>
void launch_penalty(const CudaStep<T>& step, const CudaUpdate<T>& update, CudaStream stream) {
  launch(true, penalty_kernel<T>, update.blocks, kSumThreads, stream, step, update);
}
template <class T>
void launch_clip_norm(const CudaStep<T>& step, const CudaUpdate<T>& update, CudaStream stream) {
  launch(true, clip_norm_kernel<T>, update.blocks, kSumThreads, stream, step, update);
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
