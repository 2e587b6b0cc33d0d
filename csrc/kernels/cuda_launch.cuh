// Launches on a stream, each kernel after the one before it.
#pragma once

#include "kernels/cuda_kernels.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

/// Begins every kernel of a step: waits for all of the kernel before, and lets the one behind be
/// brought to the multiprocessors meanwhile, since Hopper. Returns whether the stretch goes on.
template <class T>
__device__ __forceinline__ bool goes_on(const CudaStep<T>& step) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
  return step.control->end == CudaEnd::none;
}

/// Whether the kernel was compiled for a GPU where it waits by itself for the one before.
template <class Kernel>
bool waits_by_itself(Kernel* kernel) {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, kernel) == cudaSuccess && attributes.ptxVersion >= 90;
}

/// Starts a kernel that begins with goes_on(). One that may overlap comes to the multiprocessors
/// before the one ahead of it has ended. Products may not: their blocks would share those that are
/// free first, and leave others idle (784-128-64-10 took 59 us a step so, and takes 47).
template <class... Parameters, class... Arguments>
void launch(bool may_overlap, void (*kernel)(Parameters...), dim3 blocks, unsigned threads,
            CudaStream stream, const Arguments&... arguments) {
  static const bool overlaps = waits_by_itself(kernel);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = dim3(threads);
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = overlaps && may_overlap ? 1 : 0;
  cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
