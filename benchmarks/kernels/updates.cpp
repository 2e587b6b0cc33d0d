// GB/s of one step of each optimizer beside the triad's: over vectors that stay in the second
// cache, over 16 M parameters, and over these in all processors.
// A parameter counts as its bytes read and written: gradient once, parameter and state twice.
#include <cstddef>
#include <cstdio>
#include <variant>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/cpu_limits.hpp"
#include "descend/optimizer.hpp"
#include "for_each_isa.hpp"
#include "timing.hpp"
#include "triad.hpp"

namespace {

using descend::core::AlignedBuffer;
using descend::kernels::KernelTable;

constexpr std::size_t kInCache = std::size_t{1} << 14;
constexpr std::size_t kInMemory = std::size_t{1} << 24;

struct Optimizer {
  const char* name;
  descend::Optimizer rule;
};

/// GB/s of `threads` threads, each on vectors of its own; `count` elements in all.
double bandwidth(const KernelTable& table, const descend::Optimizer& rule, int threads,
                 std::size_t count) {
  const std::size_t states = descend::state_vectors(rule);
  const std::size_t part = count / static_cast<std::size_t>(threads);
  std::vector<AlignedBuffer<float>> vectors;  // of each thread: theta, gradient, states
  for (int i = 0; i < 4 * threads; ++i) vectors.emplace_back(part);
  const auto vector = [&](int thread, int i) {
    return vectors[static_cast<std::size_t>(4 * thread + i)].data();
  };
  const void* const hyperparameters =
      std::visit([](const auto& h) -> const void* { return &h; }, rule);
  const auto scalars = table.float32.prepare[rule.index()](hyperparameters, 1e-3, 1);
  const double seconds = benchmarks::seconds_per_call(threads, [&](int thread) {
    table.float32.update[rule.index()]({hyperparameters,
                                        scalars,
                                        true,
                                        part,
                                        vector(thread, 0),
                                        vector(thread, 1),
                                        {vector(thread, 2), vector(thread, 3)}});
  });
  const double bytes = sizeof(float) * static_cast<double>((2 * (1 + states) + 1) * count);
  return 1e-9 * bytes / seconds;
}

}  // namespace

int main() {
  const int threads = descend::core::usable_processors();
  const auto row = [](const char* name, double in_cache, double one, double all) {
    std::printf("%-12s %10.1f %10.1f %10.1f\n", name, in_cache, one, all);
  };
  const Optimizer optimizers[] = {
      {"SGD", descend::SGD{}},         {"momentum", descend::SGD{0.01, 0.9}},
      {"AdaGrad", descend::AdaGrad{}}, {"RMSProp", descend::RMSProp{}},
      {"Adam", descend::Adam{}},       {"AdamW", descend::AdamW{}}};
  return benchmarks::for_each_isa([&](const KernelTable& table) {
    std::printf("%s, float32, GB/s\n%-12s %10s %10s %10s\n", table.isa, "", "L2", "16 M",
                "16 M, all");
    row("triad", benchmarks::triad_bandwidth(1, 12 * kInCache),
        benchmarks::triad_bandwidth(1, 12 * kInMemory),
        benchmarks::triad_bandwidth(threads, 12 * kInMemory));
    for (const Optimizer& optimizer : optimizers) {
      row(optimizer.name, bandwidth(table, optimizer.rule, 1, kInCache),
          bandwidth(table, optimizer.rule, 1, kInMemory),
          bandwidth(table, optimizer.rule, threads, kInMemory));
    }
  });
}
