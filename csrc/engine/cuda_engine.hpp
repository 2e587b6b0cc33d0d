// Training steps on a GPU: the same sums in the same order as on the processor, and so its bits.
//   x (rows, inputs)  z = x w + b  a = f(z)  d_v = dJ/dv
// The steps of a stretch are submitted together; none waits for the host. Nothing here needs the
// CUDA toolkit: where the library is built without it, the constructor throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "descend/loss.hpp"
#include "descend/network.hpp"
#include "descend/optimizer.hpp"
#include "engine/dropout.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"
#include "engine/update.hpp"

namespace descend::engine {

/// Whether the library was built with CUDA.
bool has_cuda();

/// Names of the GPUs, none where there is no CUDA, no driver, or no GPU.
std::vector<std::string> cuda_devices();

/// Throws std::invalid_argument, whose text begins with `where`, where there is no GPU to work on.
void check_cuda_device(const char* where);

/// What the steps of one call have in common.
template <class T>
struct CudaCall {
  Examples examples;
  std::uint64_t serial;  ///< that of another call, where the examples are the same
  Rows rows;             ///< in visiting order
  const DropoutKey* dropout;
  void* outputs;  ///< as Minibatch has it
  bool has_penalty;
  Clipping clipping;
  double label_smoothing;
  Vectors<T> vectors;  ///< on the host
};

/// Steps that a stretch may have.
constexpr std::size_t kMostCudaSteps = 1024;

/// One of its steps.
struct CudaStepPlan {
  std::size_t first, rows;  ///< in visiting order
  double weight;            ///< of the rows, above 0
  Penalty penalty;
  kernels::StepScalars scalars;
};

/// What a stretch of steps gave.
struct CudaStretch {
  struct Step {
    double loss_sum;  ///< sum_i w_i L_i
    double penalty;
  };
  std::vector<Step> steps;  ///< those done; then the one whose loss ended the stretch, if so
  std::size_t done = 0;
  bool non_finite_loss = false;  ///< of the step after them, which was not taken
  bool overflow = false;         ///< of its update
  bool interrupted = false;
};

template <class T>
class CudaEngine {
 public:
  /// Throws std::invalid_argument, std::bad_alloc where the GPU's memory is used up, and
  /// std::runtime_error, as every member does, where CUDA fails.
  CudaEngine(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
             const Optimizer& optimizer, bool keeps_average);
  ~CudaEngine();
  CudaEngine(const CudaEngine&) = delete;
  CudaEngine& operator=(const CudaEngine&) = delete;

  /// Floating-point operations of a step of so many rows.
  double step_flops(std::size_t rows) const;

  /// Makes room for steps of so many rows. Throws std::bad_alloc.
  void reserve(std::size_t batch_rows);

  /// Begins a call: its data go to the GPU, unless they are there. Returns false where `goes_on`,
  /// which is asked now and then, gave up.
  bool begin(const CudaCall<T>& call, const std::function<bool()>& goes_on);

  /// Takes theta to the GPU, or all vectors.
  void take_parameters();
  void take_vectors();

  /// Runs steps one after the other. Where one takes long, `goes_on` is asked within it, and may
  /// give it up.
  CudaStretch run(const std::vector<CudaStepPlan>& steps, const std::function<bool()>& goes_on);

  /// Brings theta and the rows' outputs back to the host.
  void finish();

  /// Brings the optimizer's state and the average back.
  void bring_vectors();

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace descend::engine
