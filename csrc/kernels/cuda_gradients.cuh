// The gradients of weights and biases on a GPU.
//   x (rows, inputs)  d_z (rows, units)  d_w = x^T d_z  d_b = sum of d_z's rows
// The sums are those of engine/gradient_pieces: one chain over the rows, or for blocks of rows
// (c0 + c1) + (c2 + c3) of chains over parts of them. A thread block takes one chain of a tile; the
// last one of a tile to be done adds the chains up, in their order.
#pragma once

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_multiply.cuh"
#include "kernels/cuda_steps.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

/// Rows [begin, end) of a chain.
struct RowRange {
  std::size_t begin, end;
};
template <class T>
__device__ __forceinline__ RowRange rows_of_chain(const CudaGradient<T>& layer, unsigned chain) {
  if (layer.split_rows == 0) return {0, layer.rows};
  const std::size_t begin = chain / kRowParts * layer.block_rows;
  const std::size_t left = layer.split_rows - begin;
  const std::size_t rows = left < layer.block_rows ? left : layer.block_rows;
  // As core::share_of shares them out.
  const std::size_t part = rows / kRowParts, rest = rows % kRowParts, index = chain % kRowParts;
  return {begin + index * part + index * rest / kRowParts,
          begin + (index + 1) * part + (index + 1) * rest / kRowParts};
}

/// The sum of a block of rows: (c0 + c1) + (c2 + c3), of chains `ld` apart.
template <int kCount, class T>
__device__ __forceinline__ Run<T, kCount> sum_of_block(const T* chain, std::size_t ld) {
  const auto c0 = run_of_others<kCount>(chain), c1 = run_of_others<kCount>(chain + ld),
             c2 = run_of_others<kCount>(chain + 2 * ld), c3 = run_of_others<kCount>(chain + 3 * ld);
  Run<T, kCount> sum;
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    sum.of[e] = flushed(flushed(c0.of[e] + c1.of[e]) + flushed(c2.of[e] + c3.of[e]));
  }
  return sum;
}

template <class T, class Tiles>
__device__ __forceinline__ void weights_gradient(const CudaGradient<T>& layer, unsigned chain,
                                                 unsigned tile, unsigned& counter, T* gradient) {
  const std::size_t row = static_cast<std::size_t>(tile / layer.tile_columns) * Tiles::kRows;
  const std::size_t column = static_cast<std::size_t>(tile % layer.tile_columns) * Tiles::kColumns;
  const std::size_t width = padded<T>(layer.units);
  using Operand = Columns<T>;
  __shared__ PartsOf<T, Tiles, Operand, Operand> room;
  SumsOf<T, Tiles, Operand, Operand> sums{};
  constexpr int kRun = decltype(sums)::kRun;
  using OwnRun = Run<T, kRun>;
  const auto is_there = [&](int i, int j) { return row + i < layer.inputs && column + j < width; };
  // From the first of the layer's weights; a tile is in one panel.
  const std::size_t first = paneled_index<T>(layer.inputs, layer.units, row, column);
  const std::size_t ld = panel_width<T>(layer.units, column / kPanel<T> * kPanel<T>);
  const auto place = [&](int i, int j) { return first + i * ld + j; };
  T* const out = gradient + layer.weights;
  const auto go_on = [&](int i, int j, const OwnRun&) { return run_at<kRun>(out + place(i, j)); };
  if (layer.goes_on && layer.split_rows == 0) sums.set(is_there, go_on);
  RowRange rows = rows_of_chain(layer, chain);
  bool is_sum = layer.split_rows == 0;
#pragma unroll 1
  for (;;) {
    multiply<T, Tiles>(Operand{layer.x, layer.ld_x, layer.ld_x},
                       Operand{layer.d_z, layer.ld_d_z, width}, row, column, rows.begin, rows.end,
                       room, sums);
    if (is_sum) break;
    T* const partial = layer.partial + chain * layer.partial_size;
    sums.for_each_run([&](int i, int j, const OwnRun& run) {
      if (is_there(i, j)) run_at<kRun>(partial + place(i, j)) = run;
    });
    if (!is_last_block(counter, layer.chains)) return;
    if (layer.goes_on) sums.set(is_there, go_on);
#pragma unroll 1
    for (unsigned number = 0; number < layer.chains; number += kRowParts) {
      const T* const chains = layer.partial + number * layer.partial_size;
      const bool replaces = number == 0 && !layer.goes_on;
      sums.set(is_there, [&](int i, int j, OwnRun run) {
        const auto block = sum_of_block<kRun>(chains + place(i, j), layer.partial_size);
#pragma unroll
        for (int e = 0; e < kRun; ++e) {
          run.of[e] = replaces ? block.of[e] : flushed(run.of[e] + block.of[e]);
        }
        return run;
      });
    }
    if (layer.split_rows == layer.rows) break;
    rows = {layer.split_rows, layer.rows};
    is_sum = true;
  }
  sums.for_each_run([&](int i, int j, const OwnRun& run) {
    if (is_there(i, j)) run_at<kRun>(out + place(i, j)) = run;
  });
}

/// The same of the bias, whose columns take a thread each.
template <class T>
__device__ __forceinline__ void bias_gradient(const CudaGradient<T>& layer, unsigned chain,
                                              std::size_t column, unsigned& counter, T* gradient) {
  const bool is_there = column < padded<T>(layer.units);
  const std::size_t place = layer.bias - layer.weights + column;
  RowRange rows = rows_of_chain(layer, chain);
  bool is_sum = layer.split_rows == 0;
  const T before = is_there && layer.goes_on ? gradient[layer.bias + column] : T{0};
  T sum = is_sum ? before : T{0};
#pragma unroll 1
  for (;;) {
    if (is_there) {
#pragma unroll 16
      for (std::size_t row = rows.begin; row < rows.end; ++row) {
        sum = flushed(sum + layer.d_z[row * layer.ld_d_z + column]);
      }
    }
    if (is_sum) break;
    if (is_there) layer.partial[chain * layer.partial_size + place] = sum;
    if (!is_last_block(counter, layer.chains)) return;
    sum = before;
    for (unsigned number = 0; is_there && number < layer.chains; number += kRowParts) {
      const T* const chains = layer.partial + number * layer.partial_size + place;
      const T block = sum_of_block<1>(chains, layer.partial_size).of[0];
      sum = number == 0 && !layer.goes_on ? block : flushed(sum + block);
    }
    if (layer.split_rows == layer.rows) break;
    rows = {layer.split_rows, layer.rows};
    is_sum = true;
  }
  if (is_there) gradient[layer.bias + column] = sum;
}

template <class T, class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kLeastBlocks)
    gradients_kernel(const CudaStep<T> step, const CudaGradient<T>* layers, unsigned count,
                     T* gradient) {
  static_assert(kPanel<T> % Tiles::kColumns == 0, "a tile is in one panel");
  if (!goes_on(step)) return;
  unsigned l = 0;
  while (l + 1 < count && layers[l + 1].first_block <= blockIdx.x) ++l;
  const CudaGradient<T> layer = layers[l];
  const unsigned block = blockIdx.x - layer.first_block;
  const unsigned chain = block % layer.chains, number = block / layer.chains;
  unsigned& counter = layer.counters[number];
  // The biases first: theirs take longest.
  if (number < layer.bias_blocks) {
    const std::size_t column = static_cast<std::size_t>(number) * Tiles::kThreads + threadIdx.x;
    bias_gradient(layer, chain, column, counter, gradient);
  } else {
    weights_gradient<T, Tiles>(layer, chain, number - layer.bias_blocks, counter, gradient);
  }
}

template <class T>
CudaGradientPlan plan_gradients(CudaGradient<T>* layers, std::size_t count) {
  TileCounts counts;
  for (std::size_t l = 0; l < count; ++l) {
    CudaGradient<T>& layer = layers[l];
    const std::size_t blocks =
        layer.split_rows == 0 ? 0 : (layer.split_rows + layer.block_rows - 1) / layer.block_rows;
    layer.chains = blocks == 0 ? 1 : kRowParts * static_cast<unsigned>(blocks);
    counts.add<T>(layer.inputs, layer.units, layer.chains);
  }
  CudaGradientPlan plan{static_cast<unsigned>(count), 0, 0, counts.size()};
  with_tiles<T>(plan.tiles, [&](auto tiles) {
    using Tiles = decltype(tiles);
    for (std::size_t l = 0; l < count; ++l) {
      CudaGradient<T>& layer = layers[l];
      const dim3 grid = tile_grid<Tiles>(layer.inputs, layer.units);
      layer.first_block = plan.blocks;
      layer.tile_rows = grid.y;
      layer.tile_columns = grid.x;
      layer.bias_blocks =
          static_cast<unsigned>((padded<T>(layer.units) + Tiles::kThreads - 1) / Tiles::kThreads);
      layer.first_counter = plan.counters;
      const unsigned numbers = grid.x * grid.y + layer.bias_blocks;
      plan.counters += numbers;
      plan.blocks += layer.chains * numbers;
    }
  });
  return plan;
}

template <class T>
void launch_gradients(const CudaStep<T>& step, const CudaGradient<T>* layers,
                      const CudaGradientPlan& plan, T* gradient, CudaStream stream) {
  with_tiles<T>(plan.tiles, [&](auto tiles) {
    using Tiles = decltype(tiles);
    launch(false, gradients_kernel<T, Tiles>, plan.blocks, Tiles::kThreads, stream, step, layers,
           plan.layers, gradient);
  });
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
