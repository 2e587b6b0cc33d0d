// Tiles of a matrix product: what a block of threads computes, and which of it is a thread's.
#pragma once

#include "kernels/cuda_runs.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

/// A tile of kRows by kColumns outputs, of which a thread has kOwnRows by kOwnColumns. Parts of the
/// product's depth, kDepth each, go through shared memory, where there is room for kParts.
template <int kRowCount, int kColumnCount, int kDepthCount, int kOwnRowCount, int kOwnColumnCount,
          int kPartCount, int kUnrolled>
struct Tiling {
  static constexpr int kRows = kRowCount, kColumns = kColumnCount, kDepth = kDepthCount;
  static constexpr int kOwnRows = kOwnRowCount, kOwnColumns = kOwnColumnCount;
  static constexpr int kParts = kPartCount;
  static constexpr int kThreadColumns = kColumns / kOwnColumns;
  static constexpr int kThreads = kRows / kOwnRows * kThreadColumns;
  // So many runs of 16 bytes of the depth are unrolled: more and the code is long to fetch, which
  // small products run through once.
  static constexpr int kUnroll = kUnrolled;
  // Of a multiprocessor, at the least: what one waits for, another one's work fills.
  static constexpr int kLeastBlocks = 2;

  // A warp's threads are 4 by 8: what they read of a part is in few banks.
  static constexpr int kWarpRows = 4, kWarpColumns = 8;
  static_assert(kThreadColumns % kWarpColumns == 0 && kRows / kOwnRows % kWarpRows == 0);
  static __device__ __forceinline__ int thread_row() {
    const int thread = static_cast<int>(threadIdx.x);
    return thread / (kWarpRows * kThreadColumns) * kWarpRows + thread % 32 / kWarpColumns;
  }
  static __device__ __forceinline__ int thread_column() {
    const int thread = static_cast<int>(threadIdx.x);
    return thread % (kWarpRows * kThreadColumns) / 32 * kWarpColumns + thread % kWarpColumns;
  }
};

template <class T>
using MediumTiles = Tiling<64, 256 / sizeof(T), 128 / sizeof(T), 32 / sizeof(T), 4, 2, 8>;
template <class T>
using SmallTiles = Tiling<32, 32, 256 / sizeof(T), 4, 2, 2, 4>;
template <class T>
using TinyTiles = Tiling<8, 16, 256 / sizeof(T), 1, 1, 3, 8>;

/// Of a thread's own rows or columns, number `own` in a tile of `size`: runs of kRun side by side,
/// spread evenly, so that neighbours read neighbouring banks.
template <int kRun, int kOwn, int kSize>
__device__ __forceinline__ int place_of(int thread, int own) {
  return own / kRun * (kSize / (kOwn / kRun)) + thread * kRun + own % kRun;
}

/// A thread's own outputs, and where they are: runs of kRowRun rows, and of kRun columns.
template <class T, class Tiles, int kRowRun, int kColumnRun>
struct Sums {
  T of[Tiles::kOwnRows][Tiles::kOwnColumns];

  __device__ __forceinline__ static int row(int own) {
    return place_of<kRowRun, Tiles::kOwnRows, Tiles::kRows>(Tiles::thread_row(), own);
  }
  __device__ __forceinline__ static int column(int own) {
    return place_of<kColumnRun, Tiles::kOwnColumns, Tiles::kColumns>(Tiles::thread_column(), own);
  }
  static constexpr int kRun = kColumnRun;
  using OwnRun = Run<T, kRun>;
  /// Calls body(row, column, run) for each run of sums that stand side by side, the first of them
  /// at this place of the tile.
  template <class Body>
  __device__ __forceinline__ void for_each_run(const Body& body) const {
#pragma unroll
    for (int i = 0; i < Tiles::kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < Tiles::kOwnColumns; j += kRun) {
        OwnRun run;
#pragma unroll
        for (int e = 0; e < kRun; ++e) run.of[e] = flushed(of[i][j + e]);
        body(row(i), column(j), run);
      }
    }
  }
  /// Sets each run to element(row, column), for those that are there.
  template <class IsThere, class Element>
  __device__ __forceinline__ void set(const IsThere& is_there, const Element& element) {
#pragma unroll
    for (int i = 0; i < Tiles::kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < Tiles::kOwnColumns; j += kRun) {
        if (!is_there(row(i), column(j))) continue;
        OwnRun run;
#pragma unroll
        for (int e = 0; e < kRun; ++e) run.of[e] = of[i][j + e];
        run = element(row(i), column(j), run);
#pragma unroll
        for (int e = 0; e < kRun; ++e) of[i][j + e] = run.of[e];
      }
    }
  }
};

// ---- which tiles -------------------------------------------------------------------------------

template <class Tiles>
dim3 tile_grid(std::size_t rows, std::size_t columns) {
  return dim3(static_cast<unsigned>((columns + Tiles::kColumns - 1) / Tiles::kColumns),
              static_cast<unsigned>((rows + Tiles::kRows - 1) / Tiles::kRows));
}

/// How many tiles of each size there are.
class TileCounts {
 public:
  template <class T>
  void add(std::size_t rows, std::size_t columns, std::size_t times) {
    medium_ += times * count<MediumTiles<T>>(rows, columns);
    small_ += times * count<SmallTiles<T>>(rows, columns);
  }
  /// The largest of which there are enough: 0, medium, to 2, tiny.
  int size() const { return medium_ >= kEnough ? 0 : small_ >= kEnough ? 1 : 2; }

 private:
  // They keep a GPU busy: about two thirds of the multiprocessors of a large one.
  static constexpr std::size_t kEnough = 88;

  template <class Tiles>
  static std::size_t count(std::size_t rows, std::size_t columns) {
    const dim3 grid = tile_grid<Tiles>(rows, columns);
    return static_cast<std::size_t>(grid.x) * grid.y;
  }

  std::size_t medium_ = 0, small_ = 0;
};

/// Calls launch(Tiles{}) with tiles of a size that TileCounts gave.
template <class T, class Launch>
void with_tiles(int size, const Launch& launch) {
  if (size == 0) {
    launch(MediumTiles<T>{});
  } else if (size == 1) {
    launch(SmallTiles<T>{});
  } else {
    launch(TinyTiles<T>{});
  }
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
