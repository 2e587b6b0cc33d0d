// Elements side by side that a thread reads and writes at once, 16 bytes of them at the most.
#pragma once

#include <cstdint>

#include "kernels/simd_cuda.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T, int kCount>
struct alignas(kCount * sizeof(T)) Run {
  static_assert(kCount * sizeof(T) <= 16);
  T of[kCount];
};

/// As many as 16 bytes hold.
template <class T>
struct Vector : Run<T, 16 / sizeof(T)> {
  static constexpr int kSize = 16 / sizeof(T);
};

template <int kCount, class T>
__device__ __forceinline__ const Run<T, kCount>& run_at(const T* p) {
  return *reinterpret_cast<const Run<T, kCount>*>(p);
}
template <int kCount, class T>
__device__ __forceinline__ Run<T, kCount>& run_at(T* p) {
  return *reinterpret_cast<Run<T, kCount>*>(p);
}

/// What other blocks of the same kernel wrote, read past the first cache.
template <int kCount, class T>
__device__ __forceinline__ Run<T, kCount> run_of_others(const T* p) {
  Run<T, kCount> run;
  if constexpr (sizeof(run) == 16) {
    const uint4 read = __ldcg(reinterpret_cast<const uint4*>(p));
    memcpy(&run, &read, sizeof(run));
  } else if constexpr (sizeof(run) == 8) {
    const uint2 read = __ldcg(reinterpret_cast<const uint2*>(p));
    memcpy(&run, &read, sizeof(run));
  } else {
    const std::uint32_t read = __ldcg(reinterpret_cast<const unsigned*>(p));
    memcpy(&run, &read, sizeof(run));
  }
  return run;
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
