// How the gradients of a step's rows are summed on a GPU: as GradientPieces sums them.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/cuda_memory.hpp"
#include "engine/cuda_propagation.hpp"
#include "engine/layout.hpp"
#include "kernels/cuda_kernels.hpp"

namespace descend::engine {

/// One launch: the gradients of all layers over some rows.
template <class T>
struct CudaGradientPass {
  CudaBuffer<kernels::CudaGradient<T>> layers;
  CudaBuffer<unsigned> counters;
  kernels::CudaGradientPlan plan;
};

template <class T>
class CudaGradients {
 public:
  CudaGradients(const ParameterLayout& layout, const CudaPropagation<T>& propagation)
      : layout_(layout), propagation_(propagation) {}

  /// Elements of each sum over some rows that is to be added up with others, all layers together,
  /// and how many such sums there are.
  struct Partial {
    std::size_t size = 0, count = 0;
  };
  Partial partial_of(const CudaRows& rows) const;

  /// The launch for these rows of a step, with room for their partial sums.
  CudaGradientPass<T> plan(const CudaRows& rows, bool drops, T* partial) const;

 private:
  std::size_t split_rows(const LayerLayout& layer, const CudaRows& rows) const;

  const ParameterLayout& layout_;
  const CudaPropagation<T>& propagation_;
  const kernels::CudaKernels<T>& kernels_ = kernels::cuda_kernels<T>();
};

}  // namespace descend::engine
