// Which GPUs there are.
#include <cuda_runtime_api.h>

#include "core/checks.hpp"
#include "engine/cuda_engine.hpp"
#include "engine/cuda_memory.hpp"

namespace descend::engine {

bool has_cuda() { return true; }

std::vector<std::string> cuda_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return {};
  }
  std::vector<std::string> names;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    names.emplace_back(properties.name);
  }
  return names;
}

void check_cuda_device(const char* where) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (code == cudaSuccess && count > 0) return;
  throw core::invalid(where, ": device 'cuda' needs an NVIDIA GPU and its driver, but CUDA says: ",
                      code == cudaSuccess ? "no device" : cudaGetErrorString(code),
                      "; device 'cpu' needs neither.");
}

}  // namespace descend::engine
