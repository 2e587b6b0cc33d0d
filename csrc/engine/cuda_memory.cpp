#include "engine/cuda_memory.hpp"

#include <atomic>
#include <new>
#include <stdexcept>

#include "core/checks.hpp"
#include "core/thread_team.hpp"

namespace descend::engine {

namespace {

// The device that CUDA_VISIBLE_DEVICES puts first.
constexpr int kDevice = 0;

// Forks before the process that first used a GPU; below 0 where none has.
std::atomic<int> used_at{-1};

}  // namespace

void check_cuda(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // an error of one call is none of the next
  if (code == cudaErrorMemoryAllocation) throw std::bad_alloc();
  throw std::runtime_error(core::text(call, ": ", cudaGetErrorString(code), " (",
                                      cudaGetErrorName(code),
                                      "). The parameters are those before this call."));
}

bool forked_from_cuda() {
  const int used = used_at.load();
  return used >= 0 && used != core::forks_before_this_process();
}

CudaDevice::CudaDevice() {
  int unused = -1;
  used_at.compare_exchange_strong(unused, core::forks_before_this_process());
  if (forked_from_cuda()) {
    throw std::runtime_error(
        "device 'cuda': this process was forked from one that had used the GPU, and CUDA does not "
        "survive a fork. Start processes by 'spawn', or use the GPU in them alone.");
  }
  check_cuda(cudaGetDevice(&before_), "cudaGetDevice");
  check_cuda(cudaSetDevice(kDevice), "cudaSetDevice");
}

}  // namespace descend::engine
