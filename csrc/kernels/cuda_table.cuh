// The table of a GPU's kernels in one arithmetic type, compiled once for each.
#pragma once

#include "kernels/simd_cuda.hpp"

#include "kernels/cuda_dense.cuh"
#include "kernels/cuda_gradients.cuh"
#include "kernels/cuda_parameter_sums.cuh"
#include "kernels/cuda_rows.cuh"
#include "kernels/cuda_updates.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
constexpr CudaKernels<T> table() {
  return {
      launch_gather<T>,
      launch_forward<T>,
      launch_loss<T>,
      launch_backward_input<T>,
      plan_gradients<T>,
      launch_gradients<T>,
      launch_penalty<T>,
      launch_clip_norm<T>,
#define DESCEND_ROW(name) RowUpdate<T, update_rules::name>::update,
      {DESCEND_OPTIMIZERS(DESCEND_ROW)},
#undef DESCEND_ROW
#define DESCEND_ROW(name) RowUpdate<T, update_rules::name>::make_rule,
      {DESCEND_OPTIMIZERS(DESCEND_ROW)},
#undef DESCEND_ROW
  };
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
