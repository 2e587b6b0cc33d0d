// In the place of cuda_engine.cpp where the library is built without CUDA.
#include "core/checks.hpp"
#include "engine/cuda_engine.hpp"

namespace descend::engine {

bool has_cuda() { return false; }

std::vector<std::string> cuda_devices() { return {}; }

void check_cuda_device(const char* where) {
  throw core::invalid(where,
                      ": device 'cuda' needs a build of descend with CUDA; this one was compiled "
                      "without nvcc. Install from source where nvcc is found, or use device "
                      "'cpu', which gives the same bits.");
}

template <class T>
class CudaEngine<T>::Work {};

template <class T>
CudaEngine<T>::CudaEngine(const NetworkSpec&, const ParameterLayout&, Loss, const Optimizer&,
                          bool) {
  check_cuda_device("Trainer");
}
template <class T>
CudaEngine<T>::~CudaEngine() = default;
template <class T>
double CudaEngine<T>::step_flops(std::size_t) const {
  return 0.0;
}
template <class T>
void CudaEngine<T>::reserve(std::size_t) {}
template <class T>
bool CudaEngine<T>::begin(const CudaCall<T>&, const std::function<bool()>&) {
  return false;
}
template <class T>
void CudaEngine<T>::take_parameters() {}
template <class T>
void CudaEngine<T>::take_vectors() {}
template <class T>
CudaStretch CudaEngine<T>::run(const std::vector<CudaStepPlan>&, const std::function<bool()>&) {
  return {};
}
template <class T>
void CudaEngine<T>::finish() {}
template <class T>
void CudaEngine<T>::bring_vectors() {}

template class CudaEngine<float>;
template class CudaEngine<double>;

}  // namespace descend::engine
