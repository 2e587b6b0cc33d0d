// The ceilings of this machine, as one JSON object on standard output:
//   roofline THREADS [BYTES BYTES_OF_ALL]...
//   {"gflops": [one thread, all THREADS], "gbytes": [[one thread, all THREADS], ...]}
// Peak float32 arithmetic comes from independent fused multiply-adds that stay in registers;
// bandwidth, for each pair, from the triad over so many bytes in one thread, and in all together.
// Built with -O3 -march=native -ffp-contract=fast.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "timing.hpp"
#include "triad.hpp"

namespace {

#if defined(__AVX512F__)
constexpr std::size_t kVectorBytes = 64;
#elif defined(__AVX__)
constexpr std::size_t kVectorBytes = 32;
#else
constexpr std::size_t kVectorBytes = 16;
#endif
typedef float Vector __attribute__((vector_size(kVectorBytes)));
constexpr std::size_t kLanes = kVectorBytes / sizeof(float);

// Enough chains to hide the latency of two units, and few enough for sixteen registers.
constexpr int kChains = 12;
constexpr int kLinks = 1000;

volatile float opaque_factor = 0.5f;  // keeps the compiler from doing the arithmetic itself
volatile float sink;

double peak_gflops(int threads) {
  const double seconds = benchmarks::seconds_per_call(threads, [](int) {
    const Vector factor = Vector{} + opaque_factor;
    Vector chains[kChains];
    for (int c = 0; c < kChains; ++c) chains[c] = factor * static_cast<float>(c);
    for (int link = 0; link < kLinks; ++link) {
      for (int c = 0; c < kChains; ++c) chains[c] = chains[c] * factor + factor;
    }
    Vector sum = chains[0];
    for (int c = 1; c < kChains; ++c) sum += chains[c];
    sink = sum[0];
  });
  return 2e-9 * kLanes * kChains * kLinks * threads / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  std::printf("{\"gflops\": [%.1f, %.1f], \"gbytes\": [", peak_gflops(1), peak_gflops(threads));
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::size_t bytes = std::strtoull(argv[i], nullptr, 10);
    const std::size_t bytes_of_all = std::strtoull(argv[i + 1], nullptr, 10);
    std::printf("%s[%.1f, %.1f]", i == 2 ? "" : ", ", benchmarks::triad_bandwidth(1, bytes),
                benchmarks::triad_bandwidth(threads, bytes_of_all));
  }
  std::printf("]}\n");
}
