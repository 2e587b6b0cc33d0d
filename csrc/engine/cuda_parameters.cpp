#include "engine/cuda_parameters.hpp"

namespace descend::engine {

using kernels::kMostStates;

template <class T>
CudaParameters<T>::CudaParameters(std::size_t size, std::size_t states, bool keeps_average,
                                  cudaStream_t stream)
    : size_(size), stream_(stream) {
  for (int copy = 0; copy < 2; ++copy) {
    theta_[copy].reserve(size);
    for (std::size_t k = 0; k < states; ++k) state_[k][copy].reserve(size);
    if (keeps_average) average_[copy].reserve(size);
  }
}

template <class T>
void CudaParameters<T>::take_all(const Vectors<T>& host) {
  take_theta(host);
  for (std::size_t k = 0; k < kMostStates; ++k) {
    if (host.state[k] != nullptr) write(state_[k][current_], host.state[k]);
  }
  if (host.average != nullptr) write(average_[current_], host.average);
}

template <class T>
void CudaParameters<T>::bring_others(const Vectors<T>& host) {
  for (std::size_t k = 0; k < kMostStates; ++k) {
    if (host.state[k] != nullptr) state_[k][current_].read(host.state[k], size_, stream_);
  }
  if (host.average != nullptr) average_[current_].read(host.average, size_, stream_);
}

template <class T>
kernels::CudaVectors<T> CudaParameters<T>::vectors(double average_decay) const {
  kernels::CudaVectors<T> vectors{};
  for (int copy = 0; copy < 2; ++copy) {
    vectors.theta[copy] = theta_[copy].data();
    for (std::size_t k = 0; k < kMostStates; ++k) {
      vectors.state[k][copy] = state_[k][copy].data();
    }
    vectors.average[copy] = average_[copy].data();
  }
  vectors.average_decay = static_cast<T>(average_decay);
  vectors.average_rest = static_cast<T>(1.0 - average_decay);
  return vectors;
}

template class CudaParameters<float>;
template class CudaParameters<double>;

}  // namespace descend::engine
