// The table of a GPU's kernels in one arithmetic type, compiled once for each.
#pragma once

#include "kernels/simd_cuda.hpp"

#include "kernels/cuda_products.cuh"
#include "kernels/cuda_rows.cuh"
#include "kernels/cuda_updates.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T, Vec<T> (*kFunction)(Vec<T>)>
__global__ void evaluate_kernel(std::size_t count, const T* x, T* out) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = kFunction(Vec<T>{x[i]}).lane;
}

template <class T, Vec<T> (*kFunction)(Vec<T>)>
void launch_evaluate(std::size_t count, const T* x, T* out, CudaStream stream) {
  constexpr unsigned kThreads = 128;
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  evaluate_kernel<T, kFunction><<<blocks, kThreads, 0, stream>>>(count, x, out);
}

template <class T>
constexpr CudaKernels<T> table() {
  return {
      launch_gather<T>,
      launch_forward<T>,
      launch_loss<T>,
      launch_backward_input<T>,
      plan_gradients<T>,
      launch_gradients<T>,
      launch_combine<T>,
      launch_penalty<T>,
      launch_clip_norm<T>,
#define DESCEND_ROW(name) RowUpdate<T, update_rules::name>::launch,
      {DESCEND_OPTIMIZERS(DESCEND_ROW)},
#undef DESCEND_ROW
#define DESCEND_ROW(name) RowUpdate<T, update_rules::name>::make_rule,
      {DESCEND_OPTIMIZERS(DESCEND_ROW)},
#undef DESCEND_ROW
#define DESCEND_ROW(name) launch_evaluate<T, name<T>>,
      {DESCEND_FUNCTIONS(DESCEND_ROW)},
#undef DESCEND_ROW
  };
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
