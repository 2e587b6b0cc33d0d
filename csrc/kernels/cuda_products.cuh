// Matrix products on a GPU, and the dense layer's three products built on them.
//   x (rows, inputs)  w (inputs, units)  b (units)  z = x w + b  a = f(z)  d_v = dJ/dv
// A block of threads computes a tile of outputs, a thread some of its elements in registers. Every
// element is one ascending chain of fused multiply-adds, as in gemm.hpp: its depth is never split.
#pragma once

#include "kernels/activations.hpp"
#include "kernels/cuda_kernels.hpp"
#include "kernels/cuda_steps.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

// ---- operands ----------------------------------------------------------------------------------
// Element (i, k): i a row or column of the product, k of its depth; from it, beyond() finds the one
// that is `depth` further. What is read is 16 bytes along one of the two; rows are padded, so that
// all of them may be read where the first one may.

/// A row-major matrix's rows.
template <class T>
struct Rows {
  static constexpr bool kAlongDepth = true;
  const T* data;
  std::size_t ld, count;
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + i * ld + k;
  }
  __device__ __forceinline__ const T* beyond(const T* p, std::size_t, std::size_t,
                                             int depth) const {
    return p + depth;
  }
};

/// A row-major matrix's columns.
template <class T>
struct Columns {
  static constexpr bool kAlongDepth = false;
  const T* data;
  std::size_t ld, count;  // columns that may be read
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + k * ld + i;
  }
  __device__ __forceinline__ const T* beyond(const T* p, std::size_t, std::size_t,
                                             int depth) const {
    return p + depth * ld;
  }
};

/// The columns of weights.
template <class T>
struct Panels {
  static constexpr bool kAlongDepth = false;
  const T* data;
  std::size_t inputs, units, count;
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + paneled_index<T>(inputs, units, k, i);
  }
  __device__ __forceinline__ const T* beyond(const T* p, std::size_t i, std::size_t,
                                             int depth) const {
    return p + depth * panel_width<T>(units, i / kPanel<T> * kPanel<T>);
  }
};

/// The rows of weights.
template <class T>
struct PanelRows {
  static constexpr bool kAlongDepth = true;
  const T* data;
  std::size_t inputs, units, count;
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + paneled_index<T>(inputs, units, i, k);
  }
  /// Panels are whole multiples of `depth` wide.
  __device__ __forceinline__ const T* beyond(const T* p, std::size_t i, std::size_t k,
                                             int depth) const {
    return (k + depth) / kPanel<T> == k / kPanel<T> ? p + depth : at(i, k + depth);
  }
};

template <class T>
struct alignas(16) Vector {
  static constexpr int kSize = 16 / sizeof(T);
  T of[kSize];
};

// ---- tiles -------------------------------------------------------------------------------------

/// A tile of kRows by kColumns outputs, of which a thread has kOwnRows by kOwnColumns; so much of
/// the depth stands in shared memory at a time.
template <int kRowCount, int kColumnCount, int kDepthCount, int kOwnRowCount, int kOwnColumnCount>
struct Tiling {
  static constexpr int kRows = kRowCount, kColumns = kColumnCount, kDepth = kDepthCount;
  static constexpr int kOwnRows = kOwnRowCount, kOwnColumns = kOwnColumnCount;
  static constexpr int kThreadColumns = kColumns / kOwnColumns;
  static constexpr int kThreads = kRows / kOwnRows * kThreadColumns;
  // Of a multiprocessor, which the registers of large tiles would otherwise leave to one.
  static constexpr int kLeastBlocks = 2;
};

template <class T>
using LargeTiles =
    Tiling<64 * 8 / sizeof(T), 64 * 8 / sizeof(T), 64 / sizeof(T), 32 / sizeof(T), 32 / sizeof(T)>;
template <class T>
using MediumTiles = Tiling<64, 64, 128 / sizeof(T), 32 / sizeof(T), 4>;
template <class T>
using SmallTiles = Tiling<32, 32, 256 / sizeof(T), 2, 2>;
template <class T>
using TinyTiles = Tiling<8, 16, 128 / sizeof(T), 1, 1>;

/// Of a thread's own rows or columns, number `own` in a tile of `size`: runs of 16 bytes, or of all
/// it has, spread evenly, so that neighbours read neighbouring banks.
template <class T, int kOwn, int kSize>
__device__ __forceinline__ int place_of(int thread, int own) {
  constexpr int kRun = kOwn < Vector<T>::kSize ? kOwn : Vector<T>::kSize;
  return own / kRun * (kSize / (kOwn / kRun)) + thread * kRun + own % kRun;
}

/// A part of one operand's depth, on its way through registers to shared memory.
template <class T, class Tiles, int kSize, class Operand>
struct Stage {
  static constexpr int kVector = Vector<T>::kSize;
  static constexpr int kLd = kSize + kVector;
  static constexpr int kVectors = kSize * Tiles::kDepth / kVector;
  static constexpr int kOwn = (kVectors + Tiles::kThreads - 1) / Tiles::kThreads;
  using Shared = T[Tiles::kDepth][kLd];

  Vector<T> own[kOwn];
  const T* from[kOwn];
  bool is_there[kOwn];

  static __device__ __forceinline__ void place(int number, int& i, int& k) {
    if (Operand::kAlongDepth) {
      i = number / (Tiles::kDepth / kVector);
      k = number % (Tiles::kDepth / kVector) * kVector;
    } else {
      k = number / (kSize / kVector);
      i = number % (kSize / kVector) * kVector;
    }
  }

  /// Begins at the tile's first row or column, and depth `begin`.
  __device__ __forceinline__ void begin(const Operand& operand, std::size_t first,
                                        std::size_t begin) {
#pragma unroll
    for (int v = 0; v < kOwn; ++v) {
      const int number = v * Tiles::kThreads + static_cast<int>(threadIdx.x);
      int i, k;
      place(number, i, k);
      is_there[v] =
          (kVectors % Tiles::kThreads == 0 || number < kVectors) && first + i < operand.count;
      from[v] = is_there[v] ? operand.at(first + i, begin + k) : nullptr;
    }
  }

  /// Reads what stands at `depth`, and goes on behind it.
  __device__ __forceinline__ void read(const Operand& operand, std::size_t first, std::size_t depth,
                                       std::size_t depth_end) {
#pragma unroll
    for (int v = 0; v < kOwn; ++v) {
      int i, k;
      place(v * Tiles::kThreads + static_cast<int>(threadIdx.x), i, k);
      if (is_there[v] && depth + k < depth_end) {
        own[v] = *reinterpret_cast<const Vector<T>*>(from[v]);
        from[v] = operand.beyond(from[v], first + i, depth + k, Tiles::kDepth);
      } else {
#pragma unroll
        for (int e = 0; e < kVector; ++e) own[v].of[e] = T{0};
      }
    }
  }

  __device__ __forceinline__ void write(Shared& shared) const {
#pragma unroll
    for (int v = 0; v < kOwn; ++v) {
      const int number = v * Tiles::kThreads + static_cast<int>(threadIdx.x);
      if (kVectors % Tiles::kThreads != 0 && number >= kVectors) continue;
      int i, k;
      place(number, i, k);
      if (Operand::kAlongDepth) {
#pragma unroll
        for (int e = 0; e < kVector; ++e) shared[k + e][i] = own[v].of[e];
      } else {
        *reinterpret_cast<Vector<T>*>(&shared[k][i]) = own[v];
      }
    }
  }
};

/// A thread's own outputs, and where they are.
template <class T, class Tiles>
struct Sums {
  T of[Tiles::kOwnRows][Tiles::kOwnColumns];

  __device__ __forceinline__ static int row(int own) {
    return place_of<T, Tiles::kOwnRows, Tiles::kRows>(
        static_cast<int>(threadIdx.x) / Tiles::kThreadColumns, own);
  }
  __device__ __forceinline__ static int column(int own) {
    return place_of<T, Tiles::kOwnColumns, Tiles::kColumns>(
        static_cast<int>(threadIdx.x) % Tiles::kThreadColumns, own);
  }
  static constexpr int kRun =
      Tiles::kOwnColumns < Vector<T>::kSize ? Tiles::kOwnColumns : Vector<T>::kSize;
  struct alignas(kRun * sizeof(T)) Run {
    T of[kRun];
  };
  /// Calls body(row, column, run) for each run of sums that stand side by side, the first of them
  /// at this place of the tile.
  template <class Body>
  __device__ __forceinline__ void for_each_run(const Body& body) const {
#pragma unroll
    for (int i = 0; i < Tiles::kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < Tiles::kOwnColumns; j += kRun) {
        Run run;
#pragma unroll
        for (int e = 0; e < kRun; ++e) run.of[e] = flushed(of[i][j + e]);
        body(row(i), column(j), run);
      }
    }
  }
};

template <class T, int kOwn, int kSize>
__device__ __forceinline__ void read_own(const T* shared, int thread, T (&own)[kOwn]) {
  constexpr int kRun = kOwn < Vector<T>::kSize ? kOwn : Vector<T>::kSize;
#pragma unroll
  for (int run = 0; run < kOwn; run += kRun) {
    const T* const from = shared + place_of<T, kOwn, kSize>(thread, run);
    if constexpr (kRun == Vector<T>::kSize) {
      const auto vector = *reinterpret_cast<const Vector<T>*>(from);
#pragma unroll
      for (int e = 0; e < kRun; ++e) own[run + e] = vector.of[e];
    } else {
#pragma unroll
      for (int e = 0; e < kRun; ++e) own[run + e] = from[e];
    }
  }
}

/// The sums go on with products over depth [begin, end) of the tile at (row, column).
template <class T, class Tiles, class Left, class Right>
__device__ __forceinline__ void multiply(const Left& left, const Right& right, std::size_t row,
                                         std::size_t column, std::size_t begin, std::size_t end,
                                         Sums<T, Tiles>& sums) {
  using LeftStage = Stage<T, Tiles, Tiles::kRows, Left>;
  using RightStage = Stage<T, Tiles, Tiles::kColumns, Right>;
  __shared__ alignas(16) typename LeftStage::Shared left_parts[2];
  __shared__ alignas(16) typename RightStage::Shared right_parts[2];
  const int thread_row = static_cast<int>(threadIdx.x) / Tiles::kThreadColumns;
  const int thread_column = static_cast<int>(threadIdx.x) % Tiles::kThreadColumns;
  LeftStage left_stage;
  RightStage right_stage;
  const auto add_product = [&](int part, int k) {
    T left_own[Tiles::kOwnRows], right_own[Tiles::kOwnColumns];
    read_own<T, Tiles::kOwnRows, Tiles::kRows>(left_parts[part][k], thread_row, left_own);
    read_own<T, Tiles::kOwnColumns, Tiles::kColumns>(right_parts[part][k], thread_column,
                                                     right_own);
#pragma unroll
    for (int i = 0; i < Tiles::kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < Tiles::kOwnColumns; ++j) {
        sums.of[i][j] = fma_lane(left_own[i], right_own[j], sums.of[i][j]);
      }
    }
  };
  left_stage.begin(left, row, begin);
  right_stage.begin(right, column, begin);
  left_stage.read(left, row, begin, end);
  right_stage.read(right, column, begin, end);
  left_stage.write(left_parts[0]);
  right_stage.write(right_parts[0]);
  __syncthreads();
  int part = 0;
  for (std::size_t depth = begin; depth < end; depth += Tiles::kDepth) {
    const bool has_next = depth + Tiles::kDepth < end;
    if (has_next) {
      left_stage.read(left, row, depth + Tiles::kDepth, end);
      right_stage.read(right, column, depth + Tiles::kDepth, end);
    }
    if (end - depth >= Tiles::kDepth) {
#pragma unroll
      for (int k = 0; k < Tiles::kDepth; ++k) add_product(part, k);
    } else {
      const int rest = static_cast<int>(end - depth);
      int k = 0;
#pragma unroll 1
      for (; k + 8 <= rest; k += 8) {
#pragma unroll
        for (int next = 0; next < 8; ++next) add_product(part, k + next);
      }
#pragma unroll 1
      for (; k < rest; ++k) add_product(part, k);
    }
    if (has_next) {
      left_stage.write(left_parts[part ^ 1]);
      right_stage.write(right_parts[part ^ 1]);
    }
    __syncthreads();
    part ^= 1;
  }
}

// ---- activations -------------------------------------------------------------------------------

template <class T>
__device__ __noinline__ T activation_of(Activation activation, T z) {
  switch (activation) {
#define DESCEND_ROW(name, from) \
  case Activation::name: return activations::name<T>::value(Vec<T>{z}).lane;
    DESCEND_ACTIVATIONS(DESCEND_ROW)
#undef DESCEND_ROW
  }
  return z;
}

template <class T>
__device__ __noinline__ T derivative_of(Activation activation, T z_or_a) {
  switch (activation) {
#define DESCEND_ROW(name, from) \
  case Activation::name: return activations::name<T>::derivative(Vec<T>{z_or_a}).lane;
    DESCEND_ACTIVATIONS(DESCEND_ROW)
#undef DESCEND_ROW
  }
  return z_or_a;
}

// ---- the three products ------------------------------------------------------------------------

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
  if (step.control->end != CudaEnd::none) return;
  const T* const theta = step.vectors.theta[step.control->current];
  const T* const b = theta + layer.bias;
  const std::size_t row = static_cast<std::size_t>(blockIdx.y) * Tiles::kRows;
  const std::size_t column = static_cast<std::size_t>(blockIdx.x) * Tiles::kColumns;
  Sums<T, Tiles> sums{};
  multiply(Rows<T>{layer.x, layer.ld_x, layer.rows},
           Panels<T>{theta + layer.weights, layer.inputs, layer.units, padded<T>(layer.units)}, row,
           column, 0, layer.inputs, sums);
  const bool is_relu = layer.activation == Activation::relu;
  const bool is_done = (is_relu || layer.activation == Activation::identity) &&
                       layer.z == nullptr && layer.dropped == nullptr;
  T* const z = layer.z == nullptr ? layer.a : layer.z;
  using Run = typename Sums<T, Tiles>::Run;
  sums.for_each_run([&](int i, int j, Run run) {
    const std::size_t r = row + i, c = column + j;
    if (r >= layer.rows || c >= layer.units) return;
    const Run bias = *reinterpret_cast<const Run*>(b + c);
#pragma unroll
    for (int e = 0; e < Sums<T, Tiles>::kRun; ++e) {
      const Vec<T> value{flushed(run.of[e] + bias.of[e])};
      run.of[e] = (is_done && is_relu ? activations::relu<T>::value(value) : value).lane;
    }
    *reinterpret_cast<Run*>(z + r * layer.ld + c) = run;
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
  if (step.control->end != CudaEnd::none) return;
  const T* const theta = step.vectors.theta[step.control->current];
  const std::size_t row = static_cast<std::size_t>(blockIdx.y) * Tiles::kRows;
  const std::size_t column = static_cast<std::size_t>(blockIdx.x) * Tiles::kColumns;
  Sums<T, Tiles> sums{};
  multiply(Rows<T>{layer.d_z, layer.ld_d_z, layer.rows},
           PanelRows<T>{theta + layer.weights, layer.inputs, layer.units, layer.inputs}, row,
           column, 0, layer.units, sums);
  const bool derives = layer.z_or_a_below != nullptr;
  const bool is_relu = layer.activation_below == Activation::relu;
  const bool drops = layer.dropout_below.threshold != 0;
  const bool is_done = !drops && (!derives || is_relu);
  const std::size_t width = padded<T>(layer.inputs);
  using Run = typename Sums<T, Tiles>::Run;
  sums.for_each_run([&](int i, int j, Run run) {
    const std::size_t r = row + i, c = column + j;
    if (r >= layer.rows || c >= width) return;
    const std::size_t place = r * layer.ld_below + c;
    Run slope{};
    if (is_done && derives) slope = *reinterpret_cast<const Run*>(layer.z_or_a_below + place);
#pragma unroll
    for (int e = 0; e < Sums<T, Tiles>::kRun; ++e) {
      if (is_done && derives) {
        run.of[e] =
            (Vec<T>{run.of[e]} * activations::relu<T>::derivative(Vec<T>{slope.of[e]})).lane;
      }
      if (c + e >= layer.inputs) run.of[e] = T{0};
    }
    *reinterpret_cast<Run*>(layer.d_z_below + place) = run;
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

/// Rows [begin, end) of a chain.
struct RowRange {
  std::size_t begin, end;
};
template <class T>
__device__ __forceinline__ RowRange rows_of_chain(const CudaGradient<T>& layer, unsigned chain) {
  if (layer.block_rows == 0) return {layer.row_begin, layer.row_end};
  const std::size_t begin = layer.row_begin + chain / kRowParts * layer.block_rows;
  const std::size_t left = layer.row_end - begin;
  const std::size_t rows = left < layer.block_rows ? left : layer.block_rows;
  // As core::share_of shares them out.
  const std::size_t part = rows / kRowParts, rest = rows % kRowParts, index = chain % kRowParts;
  return {begin + index * part + index * rest / kRowParts,
          begin + (index + 1) * part + (index + 1) * rest / kRowParts};
}

template <class T, class Tiles>
__device__ __forceinline__ void weights_gradient(const CudaGradient<T>& layer, unsigned chain,
                                                 unsigned tile) {
  const std::size_t row = static_cast<std::size_t>(tile / layer.tile_columns) * Tiles::kRows;
  const std::size_t column = static_cast<std::size_t>(tile % layer.tile_columns) * Tiles::kColumns;
  const std::size_t width = padded<T>(layer.units);
  T* const out = layer.out + chain * layer.out_size + layer.weights;
  const auto place = [&](int i, int j) {
    return paneled_index<T>(layer.inputs, layer.units, row + i, column + j);
  };
  Sums<T, Tiles> sums{};
  if (layer.goes_on) {
#pragma unroll
    for (int i = 0; i < Tiles::kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < Tiles::kOwnColumns; ++j) {
        const int r = sums.row(i), c = sums.column(j);
        if (row + r < layer.inputs && column + c < width) sums.of[i][j] = out[place(r, c)];
      }
    }
  }
  const RowRange rows = rows_of_chain(layer, chain);
  multiply(Columns<T>{layer.x, layer.ld_x, layer.ld_x}, Columns<T>{layer.d_z, layer.ld_d_z, width},
           row, column, rows.begin, rows.end, sums);
  using Run = typename Sums<T, Tiles>::Run;
  sums.for_each_run([&](int i, int j, const Run& run) {
    if (row + i < layer.inputs && column + j < width) {
      *reinterpret_cast<Run*>(out + place(i, j)) = run;
    }
  });
}

template <class T, class Tiles>
__device__ __forceinline__ void bias_gradient(const CudaGradient<T>& layer, unsigned chain,
                                              unsigned block) {
  const std::size_t column = static_cast<std::size_t>(block) * Tiles::kThreads + threadIdx.x;
  if (column >= padded<T>(layer.units)) return;
  const RowRange rows = rows_of_chain(layer, chain);
  T* const out = layer.out + chain * layer.out_size + layer.bias + column;
  const T* const d_z = layer.d_z + column;
  T sum = layer.goes_on ? *out : T{0};
#pragma unroll 16
  for (std::size_t row = rows.begin; row < rows.end; ++row) {
    sum = flushed(sum + d_z[row * layer.ld_d_z]);
  }
  *out = sum;
}

template <class T, class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kLeastBlocks)
    gradients_kernel(const CudaStep<T> step, const CudaGradient<T>* layers, unsigned count) {
  if (step.control->end != CudaEnd::none) return;
  unsigned l = 0;
  while (l + 1 < count && layers[l + 1].first_block <= blockIdx.x) ++l;
  const CudaGradient<T> layer = layers[l];
  unsigned block = blockIdx.x - layer.first_block;
  // The biases first: theirs are the longest chains.
  if (block < layer.chains * layer.bias_blocks) {
    bias_gradient<T, Tiles>(layer, block / layer.bias_blocks, block % layer.bias_blocks);
    return;
  }
  block -= layer.chains * layer.bias_blocks;
  const unsigned tiles = layer.tile_rows * layer.tile_columns;
  weights_gradient<T, Tiles>(layer, block / tiles, block % tiles);
}

// ---- which tiles -------------------------------------------------------------------------------

/// Tiles that keep a GPU busy: about two thirds of the multiprocessors of a large one.
constexpr std::size_t kEnoughTiles = 88;

template <class Tiles>
std::size_t tiles_of(std::size_t rows, std::size_t columns) {
  return ((rows + Tiles::kRows - 1) / Tiles::kRows) *
         ((columns + Tiles::kColumns - 1) / Tiles::kColumns);
}

template <class Tiles>
dim3 tile_grid(std::size_t rows, std::size_t columns) {
  return dim3(static_cast<unsigned>((columns + Tiles::kColumns - 1) / Tiles::kColumns),
              static_cast<unsigned>((rows + Tiles::kRows - 1) / Tiles::kRows));
}

/// How many tiles of each size there are.
struct TileCounts {
  std::size_t large = 0, medium = 0, small = 0;

  template <class T>
  void add(std::size_t rows, std::size_t columns, std::size_t times) {
    large += times * tiles_of<LargeTiles<T>>(rows, columns);
    medium += times * tiles_of<MediumTiles<T>>(rows, columns);
    small += times * tiles_of<SmallTiles<T>>(rows, columns);
  }
  /// The largest of which there are enough: 0 to 3.
  int size() const {
    return large >= kEnoughTiles ? 0 : medium >= kEnoughTiles ? 1 : small >= kEnoughTiles ? 2 : 3;
  }
};

/// Calls launch(Tiles{}).
template <class T, class Launch>
void with_tiles(int tiles, const Launch& launch) {
  if (tiles == 0) {
    launch(LargeTiles<T>{});
  } else if (tiles == 1) {
    launch(MediumTiles<T>{});
  } else if (tiles == 2) {
    launch(SmallTiles<T>{});
  } else {
    launch(TinyTiles<T>{});
  }
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
    dense_forward_kernel<T, Tiles>
        <<<tile_grid<Tiles>(layer.rows, layer.units), Tiles::kThreads, 0, stream>>>(step, layer);
  });
}

template <class T>
void launch_backward_input(const CudaStep<T>& step, const CudaBackwardInput<T>& layer,
                           CudaStream stream) {
  with_tiles_of<T>(layer.rows, layer.inputs, [&](auto tiles) {
    using Tiles = decltype(tiles);
    dense_backward_input_kernel<T, Tiles>
        <<<tile_grid<Tiles>(layer.rows, padded<T>(layer.inputs)), Tiles::kThreads, 0, stream>>>(
            step, layer);
  });
}

template <class T>
CudaGradientPlan plan_gradients(CudaGradient<T>* layers, std::size_t count) {
  TileCounts counts;
  for (std::size_t l = 0; l < count; ++l) {
    CudaGradient<T>& layer = layers[l];
    const std::size_t rows = layer.row_end - layer.row_begin;
    layer.chains =
        layer.block_rows == 0
            ? 1
            : kRowParts * static_cast<unsigned>((rows + layer.block_rows - 1) / layer.block_rows);
    counts.add<T>(layer.inputs, layer.units, layer.chains);
  }
  CudaGradientPlan plan{static_cast<unsigned>(count), 0, counts.size()};
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
      plan.blocks += layer.chains * (grid.x * grid.y + layer.bias_blocks);
    }
  });
  return plan;
}

template <class T>
void launch_gradients(const CudaStep<T>& step, const CudaGradient<T>* layers,
                      const CudaGradientPlan& plan, CudaStream stream) {
  with_tiles<T>(plan.tiles, [&](auto tiles) {
    using Tiles = decltype(tiles);
    gradients_kernel<T, Tiles>
        <<<plan.blocks, Tiles::kThreads, 0, stream>>>(step, layers, plan.layers);
  });
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
