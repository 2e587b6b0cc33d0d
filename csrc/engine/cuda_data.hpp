// The data of a call on a GPU: inputs and targets in the type they have, weights, the visiting
// order, and the outputs of the rows where they are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/cuda_engine.hpp"
#include "engine/cuda_memory.hpp"
#include "kernels/cuda_kernels.hpp"

namespace descend::engine {

template <class T>
class CudaData {
 public:
  CudaData(std::size_t inputs, std::size_t outputs, cudaStream_t stream);

  /// Copies a call's data to the GPU, unless they are there. Returns false where `goes_on`, which
  /// is asked now and then, gave up. Throws std::bad_alloc.
  bool take(const CudaCall<T>& call, const std::function<bool()>& goes_on);

  /// Begins to copy the rows' outputs back, where the call asks for them.
  void bring_outputs(const CudaCall<T>& call);

  /// On the device.
  const kernels::CudaExamples* examples() const { return examples_.data(); }

 private:
  bool upload(CudaBuffer<unsigned char>& to, const ConstMatrixView& matrix, std::size_t& ld,
              const std::function<bool()>& goes_on);
  bool upload_bytes(unsigned char* to, const void* from, std::size_t bytes,
                    const std::function<bool()>& goes_on);
  bool upload_sparse(const InputView& inputs, const std::function<bool()>& goes_on);
  bool take_examples(const Examples& examples, const std::function<bool()>& goes_on);
  void wait() { check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

  const std::size_t ld_sparse_, output_count_;
  const cudaStream_t stream_;
  std::uint64_t serial_ = 0;  // of the examples that are here
  CudaBuffer<unsigned char> inputs_, targets_;
  std::size_t ld_inputs_ = 0, ld_targets_ = 0;
  CudaBuffer<double> weights_;
  CudaBuffer<std::size_t> order_;
  CudaBuffer<T> outputs_;
  CudaBuffer<kernels::CudaExamples> examples_{1};
};

}  // namespace descend::engine
