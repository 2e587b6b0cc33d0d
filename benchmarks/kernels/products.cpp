// GFLOP/s of the three products of a dense layer, in one thread, for each instruction set.
//   forward  z = x w + b, a = relu(z)     dX  d_z_below = (d_z w^T) relu'     dW  d_w = x^T d_z
//   x (rows, inputs)  w (inputs, units)
#include <cstddef>
#include <cstdio>

#include "core/aligned_buffer.hpp"
#include "engine/examples.hpp"
#include "for_each_isa.hpp"
#include "timing.hpp"

namespace {

using descend::Activation;
using descend::core::AlignedBuffer;
using descend::kernels::Kernels;
using descend::kernels::KernelTable;

struct Shape {
  std::size_t inputs, units;
};
constexpr Shape kShapes[] = {{32, 32},   {100, 10},    {128, 10},   {45, 201},  {128, 128},
                             {784, 100}, {1024, 1024}, {784, 1024}, {784, 128}, {2048, 2048}};
constexpr std::size_t kRows[] = {1, 32, 64, 128, 256};

AlignedBuffer<float> filled(std::size_t size) {
  AlignedBuffer<float> buffer(size);
  for (std::size_t i = 0; i < size; ++i) buffer.data()[i] = static_cast<float>(i % 7) - 3.0f;
  return buffer;
}

void report(const Kernels<float>& kernels, std::size_t rows, const Shape& shape) {
  const auto [inputs, units] = shape;
  const std::size_t ld_x = descend::engine::row_distance<float>(inputs);
  const std::size_t ld_a = descend::engine::row_distance<float>(units);
  const AlignedBuffer<float> x = filled(rows * ld_x), d_z = filled(rows * ld_a);
  const AlignedBuffer<float> w = filled(descend::kernels::paneled_size<float>(inputs, units));
  const AlignedBuffer<float> b = filled(descend::kernels::padded<float>(units));
  AlignedBuffer<float> a(rows * ld_a), d_z_below(rows * ld_x), d_w(w.size());
  AlignedBuffer<float> scratch(descend::kernels::kTransposeScratch<float>);

  const double forward = benchmarks::seconds_per_call([&] {
    kernels.dense_forward({rows, inputs, units, x.data(), ld_x, w.data(), b.data(), nullptr,
                           a.data(), ld_a, Activation::relu});
  });
  const double backward_input = benchmarks::seconds_per_call([&] {
    kernels.dense_backward_input({rows, inputs, units, 0, inputs, d_z.data(), ld_a, w.data(),
                                  x.data(), d_z_below.data(), ld_x, Activation::relu,
                                  scratch.data()});
  });
  const double backward_weights = benchmarks::seconds_per_call([&] {
    for (std::size_t column = 0; column < units; column += descend::kernels::kPanel<float>) {
      kernels.dense_backward_weights({rows,
                                      units,
                                      0,
                                      inputs,
                                      column,
                                      x.data(),
                                      ld_x,
                                      d_z.data(),
                                      ld_a,
                                      d_w.data() + inputs * column,
                                      descend::kernels::Sums::replace,
                                      {}});
    }
  });
  const double gflop = 2e-9 * static_cast<double>(rows * inputs * units);
  std::printf("%6zu %6zu %6zu %9.1f %9.1f %9.1f\n", rows, inputs, units, gflop / forward,
              gflop / backward_input, gflop / backward_weights);
}

}  // namespace

int main() {
  return benchmarks::for_each_isa([](const KernelTable& table) {
    std::printf("%s, float32, GFLOP/s\n%6s %6s %6s %9s %9s %9s\n", table.isa, "rows", "inputs",
                "units", "forward", "dX", "dW");
    for (const Shape& shape : kShapes) {
      for (const std::size_t rows : kRows) report(table.float32, rows, shape);
    }
  });
}
