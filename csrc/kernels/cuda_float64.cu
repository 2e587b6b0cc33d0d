#include "kernels/cuda_table.cuh"

namespace descend::kernels::cuda {
const CudaKernels<double> kFloat64 = table<double>();
}  // namespace descend::kernels::cuda
