// Rows through the layers and back, on a GPU.
//   x (rows, inputs)  z = x w + b  a = f(z)  d_z = dJ/dz
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/cuda_engine.hpp"
#include "engine/cuda_memory.hpp"
#include "kernels/cuda_kernels.hpp"

namespace descend::engine {

/// Rows of a step that go through the layers together.
struct CudaRows {
  std::size_t offset, count;
  bool is_first, is_last;
};

template <class T>
class CudaPropagation {
 public:
  CudaPropagation(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss);

  /// Makes room for so many rows; returns whether what stood in it has moved. Throws
  /// std::bad_alloc.
  bool reserve(std::size_t rows);

  /// Submits the rows' forward pass, losses and d_z.
  void run(const kernels::CudaStep<T>& step, const CudaCall<T>& call, const CudaRows& rows,
           cudaStream_t stream) const;

  /// What the products of layer l read, and the rows' distance there.
  const T* input_of(std::size_t l, bool drops) const;
  std::size_t ld_of_input(std::size_t l) const { return l == 0 ? ld_x_ : layers_[l - 1].ld; }
  const T* d_z_of(std::size_t l) const { return layers_[l].d_z.data(); }
  std::size_t ld_of_d_z(std::size_t l) const { return layers_[l].ld; }

 private:
  struct Layer {
    std::size_t ld = 0;
    CudaBuffer<T> z, a, d_z, dropped;  // as Propagation has them
  };

  void gather(const kernels::CudaStep<T>& step, const CudaCall<T>& call, const CudaRows& rows,
              cudaStream_t stream) const;
  void forward(const kernels::CudaStep<T>& step, const CudaCall<T>& call, const CudaRows& rows,
               cudaStream_t stream) const;
  void loss(const kernels::CudaStep<T>& step, const CudaCall<T>& call, const CudaRows& rows,
            cudaStream_t stream) const;
  void backward(const kernels::CudaStep<T>& step, const CudaCall<T>& call, const CudaRows& rows,
                cudaStream_t stream) const;
  kernels::CudaDropout<T> dropout_behind(std::size_t l, const CudaCall<T>& call) const;
  /// What f' of layer l is computed from; null where f' is 1.
  const T* slope_source(std::size_t l) const;

  const NetworkSpec& spec_;
  const ParameterLayout& layout_;
  const Loss loss_;
  const kernels::CudaKernels<T>& kernels_ = kernels::cuda_kernels<T>();
  std::size_t rows_ = 0;  // there is room for
  const std::size_t ld_x_, ld_y_;
  CudaBuffer<T> x_, y_, scale_, losses_;
  CudaBuffer<std::int32_t> labels_;
  CudaBuffer<std::size_t> row_;
  std::vector<Layer> layers_;
};

}  // namespace descend::engine
