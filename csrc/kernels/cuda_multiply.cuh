// Matrix products on a GPU: a block of threads computes a tile of outputs, each thread its own in
// registers. Every output is one ascending chain of fused multiply-adds, as in gemm.hpp: its depth
// is never split.
#pragma once

#include "kernels/cuda_operands.cuh"
#include "kernels/cuda_tiles.cuh"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

// ---- copies to shared memory, which go on while the threads do ---------------------------------

/// Begins to copy 16 bytes; `to` is an address in shared memory. Before Ampere it is done at once.
__device__ __forceinline__ void begin_copy(unsigned to, const void* from) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
#else
  const uint4 read = *static_cast<const uint4*>(from);
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(read.x), "r"(read.y),
               "r"(read.z), "r"(read.w)
               : "memory");
#endif
}
/// Ends a group of copies.
__device__ __forceinline__ void end_group() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
/// Waits for all of a thread's groups but the last `kLeft`.
template <int kLeft>
__device__ __forceinline__ void wait_for_groups() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
}

// ---- a part of the depth -----------------------------------------------------------------------

/// One operand's side of a tile: kSize rows or columns, of which a thread has kOwn. A part of the
/// depth stands in shared memory as it stands in the operand, (kSize, kDepth) or (kDepth, kSize).
template <class T, class Tiles, int kSize, int kOwn, class Operand>
struct Side {
  static constexpr int kVector = Vector<T>::kSize;
  static constexpr bool kAlongDepth = Operand::kAlongDepth;
  static constexpr int kLength = kAlongDepth ? Tiles::kDepth : kSize;
  static constexpr int kLd = kLength + kVector;
  using Shared = T[kAlongDepth ? kSize : Tiles::kDepth][kLd];

  /// A thread's own rows or columns come in such runs.
  static constexpr int kRun = kAlongDepth ? 1 : kOwn < kVector ? kOwn : kVector;
  /// It reads so much of the depth at once.
  static constexpr int kAhead = kAlongDepth ? kVector : 1;

  // 16 bytes are copied at a time.
  static constexpr int kLine = kLength / kVector;
  static constexpr int kCopies = kSize * Tiles::kDepth / kVector;
  static constexpr int kOwnCopies = (kCopies + Tiles::kThreads - 1) / Tiles::kThreads;
  static constexpr int kLines = Tiles::kThreads / kLine;  // between two copies of a thread
  static_assert(Tiles::kThreads % kLine == 0, "a thread's copies are below each other");

  const Operand& operand;
  const std::size_t first;
  const bool is_whole;  // all of the tile's rows or columns are there
  std::size_t depth;
  const T* from;
  std::size_t ld;
  T own[kOwn][kAhead];

  __device__ __forceinline__ static int line() { return static_cast<int>(threadIdx.x) / kLine; }
  __device__ __forceinline__ static int place() {
    return static_cast<int>(threadIdx.x) % kLine * kVector;
  }
  __device__ __forceinline__ std::size_t own_i() const {
    return first + (kAlongDepth ? line() : place());
  }
  __device__ __forceinline__ std::size_t own_k() const {
    return depth + (kAlongDepth ? place() : line());
  }

  __device__ __forceinline__ Side(const Operand& operand_, std::size_t first_, std::size_t depth_)
      : operand(operand_),
        first(first_),
        is_whole(first_ + kSize <= operand_.count),
        depth(depth_),
        from(operand_.at(own_i(), own_k())),
        ld(operand_.ld(own_i(), own_k())) {}

  /// Begins to copy the next part, of which `left` elements of the depth are there. What lies
  /// beyond the operand is left out: it would be in sums that nobody reads.
  __device__ __forceinline__ void copy(Shared& part, int left) {
    const auto to = static_cast<unsigned>(__cvta_generic_to_shared(&part[line()][place()]));
    const bool all = is_whole && left >= Tiles::kDepth;
#pragma unroll
    for (int copy = 0; copy < kOwnCopies; ++copy) {
      const int below = copy * kLines;
      if (kCopies % Tiles::kThreads != 0 && line() + below >= kCopies / kLine) continue;
      if (!all) {
        const std::size_t i = own_i() + (kAlongDepth ? below : 0);
        if (i >= operand.count || (kAlongDepth ? place() : line() + below) >= left) continue;
      }
      begin_copy(to + below * kLd * sizeof(T), from + below * ld);
    }
    depth += Tiles::kDepth;
    operand.template go_on<Tiles::kDepth>(from, ld, own_i(), own_k());
  }

  /// Reads a thread's own elements of a part, from k on.
  __device__ __forceinline__ void read(const Shared& part, int thread, int k) {
    if constexpr (kAlongDepth) {
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
        const auto run = run_at<kAhead>(&part[place_of<1, kOwn, kSize>(thread, i)][k]);
#pragma unroll
        for (int e = 0; e < kAhead; ++e) own[i][e] = run.of[e];
      }
    } else {
#pragma unroll
      for (int i = 0; i < kOwn; i += kRun) {
        const auto run = run_at<kRun>(&part[k][place_of<kRun, kOwn, kSize>(thread, i)]);
#pragma unroll
        for (int e = 0; e < kRun; ++e) own[i + e][0] = run.of[e];
      }
    }
  }
};

template <class T, class Tiles, class Left>
using LeftSide = Side<T, Tiles, Tiles::kRows, Tiles::kOwnRows, Left>;
template <class T, class Tiles, class Right>
using RightSide = Side<T, Tiles, Tiles::kColumns, Tiles::kOwnColumns, Right>;
template <class T, class Tiles, class Left, class Right>
using SumsOf = Sums<T, Tiles, LeftSide<T, Tiles, Left>::kRun, RightSide<T, Tiles, Right>::kRun>;

/// What a product needs of shared memory.
template <class T, class Tiles, class Left, class Right>
struct alignas(16) PartsOf {
  typename LeftSide<T, Tiles, Left>::Shared left[Tiles::kParts];
  typename RightSide<T, Tiles, Right>::Shared right[Tiles::kParts];
};

/// The sums go on with products over depth [begin, end) of the tile at (row, column).
template <class T, class Tiles, class Left, class Right>
__device__ __forceinline__ void multiply(const Left& left_operand, const Right& right_operand,
                                         std::size_t row, std::size_t column, std::size_t begin,
                                         std::size_t end, PartsOf<T, Tiles, Left, Right>& room,
                                         SumsOf<T, Tiles, Left, Right>& sums) {
  using OfLeft = LeftSide<T, Tiles, Left>;
  using OfRight = RightSide<T, Tiles, Right>;
  __syncthreads();  // behind what was read of the room before
  OfLeft left(left_operand, row, begin);
  OfRight right(right_operand, column, begin);
  const int thread_row = Tiles::thread_row(), thread_column = Tiles::thread_column();

  const auto parts = static_cast<unsigned>((end - begin) / Tiles::kDepth);
  const auto rest = static_cast<int>((end - begin) % Tiles::kDepth);
  unsigned copied = 0;
  int copy_slot = 0;
  const auto copy_next = [&] {
    if (copied < parts || (copied == parts && rest > 0)) {
      const int left_there = copied < parts ? Tiles::kDepth : rest;
      left.copy(room.left[copy_slot], left_there);
      right.copy(room.right[copy_slot], left_there);
    }
    end_group();
    ++copied;
    copy_slot = copy_slot + 1 == Tiles::kParts ? 0 : copy_slot + 1;
  };
  // The part that was copied first is there then, and the slot of the one before it is free.
  const auto wait = [] {
    wait_for_groups<Tiles::kParts - 2>();
    __syncthreads();
  };
  int slot = 0;
  // `k` is a multiple of what is read ahead where `ahead` is 0.
  const auto add_product = [&](int k, int ahead) {
    if (ahead % OfLeft::kAhead == 0) left.read(room.left[slot], thread_row, k);
    if (ahead % OfRight::kAhead == 0) right.read(room.right[slot], thread_column, k);
#pragma unroll
    for (int i = 0; i < Tiles::kOwnRows; ++i) {
#pragma unroll
      for (int j = 0; j < Tiles::kOwnColumns; ++j) {
        sums.of[i][j] = fma_lane(left.own[i][ahead % OfLeft::kAhead],
                                 right.own[j][ahead % OfRight::kAhead], sums.of[i][j]);
      }
    }
  };
#pragma unroll
  for (int part = 0; part + 1 < Tiles::kParts; ++part) copy_next();
#pragma unroll 1
  for (unsigned part = 0; part < parts; ++part) {
    wait();
    copy_next();
#pragma unroll Tiles::kUnroll
    for (int k = 0; k < Tiles::kDepth; k += OfLeft::kVector) {
#pragma unroll
      for (int ahead = 0; ahead < OfLeft::kVector; ++ahead) add_product(k + ahead, ahead);
    }
    slot = slot + 1 == Tiles::kParts ? 0 : slot + 1;
  }
  if (rest == 0) return;
  wait();
#pragma unroll 1
  for (int k = 0; k < rest; k += OfLeft::kVector) {
#pragma unroll
    for (int ahead = 0; ahead < OfLeft::kVector; ++ahead) {
      if (k + ahead < rest) add_product(k + ahead, ahead);
    }
  }
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
