// Nanoseconds an element of the scalar functions, over vectors in the first cache, in one thread.
#include <cstddef>
#include <cstdio>

#include "core/aligned_buffer.hpp"
#include "for_each_isa.hpp"
#include "timing.hpp"

namespace {

using descend::core::AlignedBuffer;
using descend::kernels::Kernels;
using descend::kernels::KernelTable;

constexpr std::size_t kCount = 1024;

#define DESCEND_ROW(name) #name,
constexpr const char* kNames[] = {DESCEND_FUNCTIONS(DESCEND_ROW)};
#undef DESCEND_ROW

template <class T>
double nanoseconds(const Kernels<T>& kernels, int function) {
  AlignedBuffer<T> x(kCount), y(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    x.data()[i] = static_cast<T>(8.0 * static_cast<double>(i + 1) / kCount);  // in (0, 8]
  }
  const double seconds =
      benchmarks::seconds_per_call([&] { kernels.evaluate[function](kCount, x.data(), y.data()); });
  return 1e9 * seconds / kCount;
}

}  // namespace

int main() {
  return benchmarks::for_each_isa([](const KernelTable& table) {
    std::printf("%s, ns an element\n%-12s %9s %9s\n", table.isa, "", "float32", "float64");
    for (int function = 0; function < descend::kernels::kFunctionCount; ++function) {
      std::printf("%-12s %9.3f %9.3f\n", kNames[function], nanoseconds(table.float32, function),
                  nanoseconds(table.float64, function));
    }
  });
}
