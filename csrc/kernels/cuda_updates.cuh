// The update of theta on a GPU: penalty, clipping, the optimizer's rule and the moving average, in
// the order of engine/update.cpp.
#pragma once

#include "kernels/cuda_gradient_terms.cuh"
#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_runs.cuh"
#include "kernels/cuda_steps.cuh"
#include "kernels/update_rules.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

constexpr unsigned kUpdateThreads = 256;

/// Updates elements of a layer's weights, or of its bias: from one copy of the vectors to the
/// other.
template <class T, class Rule>
class Updater {
 public:
  __device__ __forceinline__ Updater(const CudaStep<T>& step, const CudaUpdate<T>& update,
                                     bool are_biases)
      : update_(update),
        entry_(step.entries[step.control->steps]),
        rule_(*reinterpret_cast<const Rule*>(are_biases ? entry_.of_biases.bytes
                                                        : entry_.of_weights.bytes)),
        are_biases_(are_biases),
        scale_(static_cast<T>(update.clips_norm ? step.control->gradient_scale : 1.0)),
        average_decay_(step.vectors.average_decay),
        average_rest_(step.vectors.average_rest) {
    const unsigned from = step.control->current, to = from ^ 1u;
    theta_from_ = of_copy(step.vectors.theta, from);
    theta_to_ = of_copy(step.vectors.theta, to);
#pragma unroll
    for (int k = 0; k < Rule::kStates; ++k) {
      state_from_[k] = of_copy(step.vectors.state[k], from);
      state_to_[k] = of_copy(step.vectors.state[k], to);
    }
    average_from_ = of_copy(step.vectors.average, from);
    average_to_ = of_copy(step.vectors.average, to);
  }

  /// Takes the gradients of a run of elements side by side. All is read before anything is written:
  /// what is asked for at once comes at once.
  template <int kCount>
  __device__ __forceinline__ void take(std::size_t place, const Run<T, kCount>& gradient) {
    auto theta = run_at<kCount>(theta_from_ + place);
    Run<T, kCount> states[kMostStates] = {}, average = {};
#pragma unroll
    for (int k = 0; k < Rule::kStates; ++k) states[k] = run_at<kCount>(state_from_[k] + place);
    if (average_from_ != nullptr) average = run_at<kCount>(average_from_ + place);
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      const T g = gradient_for_rule(theta.of[e], gradient.of[e]);
      Vec<T> s0{states[0].of[e]}, s1{states[1].of[e]}, s2{states[2].of[e]};
      theta.of[e] = rule_.update(Vec<T>{theta.of[e]}, Vec<T>{g}, s0, s1, s2).lane;
      states[0].of[e] = s0.lane;
      states[1].of[e] = s1.lane;
      states[2].of[e] = s2.lane;
      overflows_ |= !is_finite(theta.of[e]);
      const T kept = flushed(average_decay_ * average.of[e]);
      average.of[e] = flushed(kept + flushed(average_rest_ * theta.of[e]));
    }
    run_at<kCount>(theta_to_ + place) = theta;
#pragma unroll
    for (int k = 0; k < Rule::kStates; ++k) {
#pragma unroll
      for (int e = 0; e < kCount; ++e) overflows_ |= !is_finite(states[k].of[e]);
      run_at<kCount>(state_to_[k] + place) = states[k];
    }
    if (average_from_ != nullptr) run_at<kCount>(average_to_ + place) = average;
  }

  __device__ __forceinline__ bool overflows() const { return overflows_; }

 private:
  __device__ __forceinline__ T gradient_for_rule(T theta, T gradient) {
    if (update_.clips_norm) return scale_ == T{1} ? gradient : flushed(gradient * scale_);
    if (update_.has_penalty && !are_biases_) gradient = with_penalty(entry_, theta, gradient);
    overflows_ |= !is_finite(gradient);
    return update_.clips_value ? clipped(gradient, update_.clip_value) : gradient;
  }

  const CudaUpdate<T> update_;
  const CudaStepEntry& entry_;
  const Rule rule_;
  const bool are_biases_;
  const T scale_;
  const T average_decay_, average_rest_;
  const T *theta_from_, *state_from_[kMostStates], *average_from_;
  T *theta_to_, *state_to_[kMostStates], *average_to_;
  bool overflows_ = false;
};

/// Ends the kernel that ends a step: its last block counts the step, unless some element
/// overflowed.
template <class T>
__device__ __forceinline__ void end_update(const CudaStep<T>& step, bool overflows) {
  CudaControl& control = *step.control;
  if (overflows) control.overflow = 1;
  if (!is_last_block(control.blocks_done, gridDim.x) || threadIdx.x != 0) return;
  if (*static_cast<volatile unsigned*>(&control.overflow) != 0) {
    control.end = CudaEnd::overflow;
  } else {
    control.current ^= 1u;
    ++control.steps;
  }
}

template <class T, class Rule>
__global__ void __launch_bounds__(kUpdateThreads)
    update_kernel(const CudaStep<T> step, const CudaUpdate<T> update) {
  if (!goes_on(step)) return;
  const CudaElements elements = update.elements[blockIdx.x];
  Updater<T, Rule> updater(step, update, elements.are_biases);
  constexpr int kCount = Vector<T>::kSize;  // elements are whole groups
  for (unsigned i = threadIdx.x * kCount; i < elements.size; i += kUpdateThreads * kCount) {
    const std::size_t place = elements.offset + i;
    updater.take(place, run_at<kCount>(update.gradient + place));
  }
  end_update(step, updater.overflows());
}

/// The kernels of a row of optimizer.hpp: its hyperparameters pick the rule.
template <class T, template <class> class Row>
struct RowUpdate {
  using Hyperparameters = typename Row<T>::Hyperparameters;

  static void make_rule(const void* hyperparameters, const StepScalars& scalars, bool decay,
                        CudaRule& made) {
    Row<T>::visit(*static_cast<const Hyperparameters*>(hyperparameters), scalars, decay,
                  [&](const auto& rule) {
                    static_assert(sizeof(rule) <= CudaRule::kBytes, "a CudaRule holds any rule");
                    memcpy(made.bytes, &rule, sizeof(rule));
                  });
  }

  static void update(const void* hyperparameters, const CudaStep<T>& step,
                     const CudaUpdate<T>& update, CudaStream stream) {
    with_rule(hyperparameters,
              [&](const auto& rule) { launch_update(rule, step, update, stream); });
  }

 private:
  template <class Launch>
  static void with_rule(const void* hyperparameters, const Launch& launch_of) {
    Row<T>::visit(*static_cast<const Hyperparameters*>(hyperparameters), StepScalars{}, false,
                  launch_of);
  }
  template <class Rule>
  static void launch_update(const Rule&, const CudaStep<T>& step, const CudaUpdate<T>& update,
                            CudaStream stream) {
    launch(true, update_kernel<T, Rule>, update.blocks, kUpdateThreads, stream, step, update);
  }
};

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
