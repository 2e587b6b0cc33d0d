// The measure of memory bandwidth: a = b + scale c, counted as 12 bytes an element.
#pragma once

#include <cstddef>
#include <vector>

#include "timing.hpp"

namespace benchmarks {

__attribute__((noinline)) inline void triad(std::size_t count, float* __restrict a,
                                            const float* __restrict b, const float* __restrict c,
                                            float scale) {
  for (std::size_t i = 0; i < count; ++i) a[i] = b[i] + scale * c[i];
}

/// GB/s of `threads` threads over arrays of their own, which take `bytes` in all.
inline double triad_bandwidth(int threads, std::size_t bytes) {
  const std::size_t count = bytes / (3 * sizeof(float) * static_cast<std::size_t>(threads));
  std::vector<std::vector<float>> arrays(static_cast<std::size_t>(threads),
                                         std::vector<float>(3 * count, 1.0f));
  const double seconds = seconds_per_call(threads, [&](int thread) {
    float* const a = arrays[static_cast<std::size_t>(thread)].data();
    triad(count, a, a + count, a + 2 * count, 0.5f);
  });
  return 12e-9 * static_cast<double>(count) * threads / seconds;
}

}  // namespace benchmarks
