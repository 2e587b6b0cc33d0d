#include "kernels/cuda_table.cuh"

namespace descend::kernels::cuda {
const CudaKernels<float> kFloat32 = table<float>();
}  // namespace descend::kernels::cuda
