// The dense layer's products on a GPU, forward and back to its inputs.
//   x (rows, inputs)  w (inputs, units)  b (units)  z = x w + b  a = f(z)  d_v = dJ/dv
#pragma once

#include "kernels/cuda_activations.cuh"
#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_multiply.cuh"
#include "kernels/cuda_steps.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

/// Calls finish(row, column) for each place of the tile at (row, column) that lies within the
/// matrix, neighbouring threads at neighbouring columns.
template <class Tiles, class Finish>
__device__ __forceinline__ void for_each_place(std::size_t row, std::size_t column,
                                               std::size_t rows, std::size_t columns,
                                               const Finish& finish) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < Tiles::kRows * Tiles::kColumns;
       i += Tiles::kThreads) {
    const std::size_t r = row + i / Tiles::kColumns, c = column + i % Tiles::kColumns;
    if (r < rows && c < columns) finish(r, c);
  }
}

template <class T, class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kLeastBlocks)
    dense_forward_kernel(const CudaStep<T> step, const CudaForward<T> layer) {
  if (!goes_on(step)) return;
  const T* const theta = of_copy(step.vectors.theta, step.control->current);
  const T* const b = theta + layer.bias;
  const std::size_t row = static_cast<std::size_t>(blockIdx.y) * Tiles::kRows;
  const std::size_t column = static_cast<std::size_t>(blockIdx.x) * Tiles::kColumns;
  __shared__ PartsOf<T, Tiles, Rows<T>, PanelColumns<T>> room;
  SumsOf<T, Tiles, Rows<T>, PanelColumns<T>> sums{};
  multiply<T, Tiles>(
      Rows<T>{layer.x, layer.ld_x, layer.rows},
      PanelColumns<T>{theta + layer.weights, layer.inputs, layer.units, padded<T>(layer.units)},
      row, column, 0, layer.inputs, room, sums);
  const bool is_relu = layer.activation == Activation::relu;
  const bool is_done = (is_relu || layer.activation == Activation::identity) &&
                       layer.z == nullptr && layer.dropped == nullptr;
  T* const z = layer.z == nullptr ? layer.a : layer.z;
  constexpr int kRun = decltype(sums)::kRun;
  sums.for_each_run([&](int i, int j, Run<T, kRun> run) {
    const std::size_t r = row + i, c = column + j;
    if (r >= layer.rows || c >= layer.units) return;
    const auto bias = run_at<kRun>(b + c);
#pragma unroll
    for (int e = 0; e < kRun; ++e) {
      const Vec<T> value{flushed(run.of[e] + bias.of[e])};
      run.of[e] = (is_done && is_relu ? activations::relu<T>::value(value) : value).lane;
    }
    run_at<kRun>(z + r * layer.ld + c) = run;
  });
  if (is_done) return;
  __syncthreads();  // then the tile's z stand in memory, for these threads
  for_each_place<Tiles>(row, column, layer.rows, layer.units, [&](std::size_t r, std::size_t c) {
    const std::size_t place = r * layer.ld + c;
    const T a = activation_of(layer.activation, z[place]);
    layer.a[place] = a;
    if (layer.dropped != nullptr) {
      layer.dropped[place] = flushed(a * mask_at(*step.examples, layer.dropout, layer.row[r], c));
    }
  });
}

template <class T, class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kLeastBlocks)
    dense_backward_input_kernel(const CudaStep<T> step, const CudaBackwardInput<T> layer) {
  if (!goes_on(step)) return;
  const T* const theta = of_copy(step.vectors.theta, step.control->current);
  const std::size_t row = static_cast<std::size_t>(blockIdx.y) * Tiles::kRows;
  const std::size_t column = static_cast<std::size_t>(blockIdx.x) * Tiles::kColumns;
  __shared__ PartsOf<T, Tiles, Rows<T>, PanelRows<T>> room;
  SumsOf<T, Tiles, Rows<T>, PanelRows<T>> sums{};
  multiply<T, Tiles>(Rows<T>{layer.d_z, layer.ld_d_z, layer.rows},
                     PanelRows<T>{theta + layer.weights, layer.inputs, layer.units, layer.inputs},
                     row, column, 0, layer.units, room, sums);
  const bool derives = layer.z_or_a_below != nullptr;
  const bool is_relu = layer.activation_below == Activation::relu;
  const bool drops = layer.dropout_below.threshold != 0;
  const bool is_done = !drops && (!derives || is_relu);
  const std::size_t width = padded<T>(layer.inputs);
  constexpr int kRun = decltype(sums)::kRun;
  const auto is_there = [&](int i, int j) { return row + i < layer.rows && column + j < width; };
  const auto place = [&](int i, int j) { return (row + i) * layer.ld_below + column + j; };
  if (is_done && derives) {
    // All slopes are read before anything is written: they come at once then.
    sums.set(is_there, [&](int i, int j, Run<T, kRun> run) {
      const auto slope = run_at<kRun>(layer.z_or_a_below + place(i, j));
#pragma unroll
      for (int e = 0; e < kRun; ++e) {
        run.of[e] =
            (Vec<T>{flushed(run.of[e])} * activations::relu<T>::derivative(Vec<T>{slope.of[e]}))
                .lane;
      }
      return run;
    });
  }
  sums.for_each_run([&](int i, int j, Run<T, kRun> run) {
    if (!is_there(i, j)) return;
#pragma unroll
    for (int e = 0; e < kRun; ++e) {
      if (column + j + e >= layer.inputs) run.of[e] = T{0};
    }
    run_at<kRun>(layer.d_z_below + place(i, j)) = run;
  });
  if (is_done) return;
  __syncthreads();
  for_each_place<Tiles>(row, column, layer.rows, layer.inputs, [&](std::size_t r, std::size_t c) {
    const std::size_t place = r * layer.ld_below + c;
    T d = layer.d_z_below[place];
    if (derives) {
      d = flushed(d * derivative_of(layer.activation_below, layer.z_or_a_below[place]));
    }
    if (drops) d = flushed(d * mask_at(*step.examples, layer.dropout_below, layer.row[r], c));
    layer.d_z_below[place] = d;
  });
}

template <class T, class Launch>
void with_tiles_of(std::size_t rows, std::size_t columns, const Launch& launch) {
  TileCounts counts;
  counts.add<T>(rows, columns, 1);
  with_tiles<T>(counts.size(), launch);
}

template <class T>
void launch_forward(const CudaStep<T>& step, const CudaForward<T>& layer, CudaStream stream) {
  with_tiles_of<T>(layer.rows, layer.units, [&](auto tiles) {
    using Tiles = decltype(tiles);
    launch(false, dense_forward_kernel<T, Tiles>, tile_grid<Tiles>(layer.rows, layer.units),
           Tiles::kThreads, stream, step, layer);
  });
}

template <class T>
void launch_backward_input(const CudaStep<T>& step, const CudaBackwardInput<T>& layer,
                           CudaStream stream) {
  with_tiles_of<T>(layer.rows, layer.inputs, [&](auto tiles) {
    using Tiles = decltype(tiles);
    launch(false, dense_backward_input_kernel<T, Tiles>,
           tile_grid<Tiles>(layer.rows, padded<T>(layer.inputs)), Tiles::kThreads, stream, step,
           layer);
  });
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
