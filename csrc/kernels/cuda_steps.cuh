// What the kernels of a step share: dropout's masks, and work that is left to a kernel's last
// block.
#pragma once

#include "core/philox.hpp"
#include "kernels/cuda_kernels.hpp"
#include "kernels/math.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

/// The mask that engine/dropout.hpp draws, at one place.
template <class T>
__device__ __forceinline__ T mask_at(const CudaExamples& examples, const CudaDropout<T>& dropout,
                                     std::size_t row, std::size_t column) {
  if (dropout.threshold == 0) return T{1};
  std::uint32_t words[4] = {static_cast<std::uint32_t>(column / 4), static_cast<std::uint32_t>(row),
                            examples.dropout_index, examples.dropout_purpose | dropout.layer};
  core::philox_rounds({examples.dropout_key[0], examples.dropout_key[1]}, words[0], words[1],
                      words[2], words[3]);
  return words[column % 4] < dropout.threshold ? T{0} : dropout.kept;
}

/// One of both copies of a vector. Not by its index, for which they would go through memory.
template <class T>
__device__ __forceinline__ T* of_copy(T* const (&copies)[2], unsigned copy) {
  return copy == 0 ? copies[0] : copies[1];
}

/// Whether this is the last of `blocks` blocks to come here: it sees what all of them wrote before.
/// `counter` is 0 then, as it was at first. All threads of a block call it.
__device__ __forceinline__ bool is_last_block(unsigned& counter, unsigned blocks) {
  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    is_last = atomicAdd(&counter, 1u) + 1 == blocks;
    if (is_last) counter = 0;
    __threadfence();
  }
  __syncthreads();
  return is_last;
}

__device__ __forceinline__ bool is_finite(double x) { return x - x == 0.0; }
__device__ __forceinline__ bool is_finite(float x) { return x - x == 0.0f; }

__device__ __forceinline__ double product(double a, double b) { return flushed(a * b); }
__device__ __forceinline__ double added(double a, double b) { return flushed(a + b); }

/// Puts term(i) for i < count into `room`, as many at a time as it holds, and calls add(how many).
/// All threads of a block call it.
constexpr unsigned kTermRoom = 1024;
template <class Term, class Add>
__device__ void for_all_terms(std::size_t count, double* room, const Term& term, const Add& add) {
  for (std::size_t begin = 0; begin < count; begin += kTermRoom) {
    const unsigned terms =
        static_cast<unsigned>(count - begin < kTermRoom ? count - begin : kTermRoom);
    for (unsigned i = threadIdx.x; i < terms; i += blockDim.x) room[i] = term(begin + i);
    __syncthreads();
    add(terms);
    __syncthreads();
  }
}

/// sum of term(i) for i < count, as sum_in_lanes of elementwise.hpp takes it; right in thread 0.
/// All threads of a block call it. `room` holds kTermRoom terms.
constexpr unsigned kSumLanes = 8;
template <class Term>
__device__ double sum_in_lanes(std::size_t count, double* room, const Term& term) {
  double lane = 0.0;
  for_all_terms(count, room, term, [&](unsigned terms) {
    if (threadIdx.x >= kSumLanes) return;
#pragma unroll 8
    for (unsigned i = threadIdx.x; i < terms; i += kSumLanes) lane = added(lane, room[i]);
  });
  if (threadIdx.x < kSumLanes) room[threadIdx.x] = lane;
  __syncthreads();
  const double sum = added(added(added(room[0], room[4]), added(room[2], room[6])),
                           added(added(room[1], room[5]), added(room[3], room[7])));
  __syncthreads();
  return sum;
}

/// sum of term(i) for i < count, one after the other; right in thread 0.
template <class Term>
__device__ double sum_in_order(std::size_t count, double* room, const Term& term) {
  double sum = 0.0;
  for_all_terms(count, room, term, [&](unsigned terms) {
    if (threadIdx.x != 0) return;
#pragma unroll 8
    for (unsigned i = 0; i < terms; ++i) sum = added(sum, room[i]);
  });
  return sum;
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
