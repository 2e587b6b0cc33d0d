// What is done to a gradient's elements before the optimizer's rule has them.
#pragma once

#include "kernels/cuda_kernels.hpp"
#include "kernels/simd_cuda.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

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

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
