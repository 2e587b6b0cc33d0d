// Theta, the optimizer's state and the moving average on a GPU. There are two copies of each: a
// step reads one and writes the other, so that one that is not finite leaves those of the step
// before.
#pragma once

#include <cstddef>

#include "engine/cuda_memory.hpp"
#include "engine/update.hpp"
#include "kernels/cuda_kernels.hpp"

namespace descend::engine {

template <class T>
class CudaParameters {
 public:
  /// Throws std::bad_alloc.
  CudaParameters(std::size_t size, std::size_t states, bool keeps_average, cudaStream_t stream);

  /// Begins to copy theta from the host, or all vectors.
  void take_theta(const Vectors<T>& host) { write(theta_[current_], host.theta); }
  void take_all(const Vectors<T>& host);

  /// Begins to copy theta to the host, or what the optimizer and the average keep.
  void bring_theta(const Vectors<T>& host) { theta_[current_].read(host.theta, size_, stream_); }
  void bring_others(const Vectors<T>& host);

  /// Both copies, for the kernels.
  kernels::CudaVectors<T> vectors(double average_decay) const;

  /// Which copy holds the vectors.
  unsigned current() const { return current_; }
  void set_current(unsigned copy) { current_ = copy; }

 private:
  void write(CudaBuffer<T>& to, const T* from) { to.write(from, size_, stream_); }

  const std::size_t size_;
  const cudaStream_t stream_;
  CudaBuffer<T> theta_[2], state_[kernels::kMostStates][2], average_[2];
  unsigned current_ = 0;
};

}  // namespace descend::engine
