// A step's rows on a GPU: gathered and converted, and at the other end their losses.
#pragma once

#include "kernels/cuda_activations.cuh"
#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_steps.cuh"
#include "kernels/losses.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

// ---- gathering ---------------------------------------------------------------------------------

/// An element of the data set as T. A float's subnormal numbers, which the compiler would flush on
/// the way, are kept as they are on the processor; all that is computed from them counts them as 0.
template <class T, class Source>
__device__ __forceinline__ T converted(const Source* p) {
  return flushed(static_cast<T>(*p));
}
template <class T>
__device__ __forceinline__ T converted(const bool* p) {
  return static_cast<T>(*reinterpret_cast<const unsigned char*>(p) != 0 ? 1 : 0);
}
template <class T>
__device__ __forceinline__ T converted(const Float16* p) {
  float number;
  asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(p->bits));
  return static_cast<T>(number);
}

template <class T>
__device__ T element(const void* data, ElementType type, std::size_t index) {
  switch (type) {
#define DESCEND_ROW(name, Type) \
  case ElementType::name: return converted<T>(static_cast<const Type*>(data) + index);
    DESCEND_ELEMENT_TYPES(DESCEND_ROW)
#undef DESCEND_ROW
  }
  return T{0};
}

__device__ inline std::int64_t label_at(const CudaExamples& examples, std::size_t row) {
  switch (examples.y_type) {
    case ElementType::boolean: return static_cast<const unsigned char*>(examples.y)[row] != 0;
    case ElementType::int8: return static_cast<const std::int8_t*>(examples.y)[row];
    case ElementType::int16: return static_cast<const std::int16_t*>(examples.y)[row];
    case ElementType::int32: return static_cast<const std::int32_t*>(examples.y)[row];
    case ElementType::uint8: return static_cast<const std::uint8_t*>(examples.y)[row];
    case ElementType::uint16: return static_cast<const std::uint16_t*>(examples.y)[row];
    case ElementType::uint32: return static_cast<const std::uint32_t*>(examples.y)[row];
    default: return static_cast<const std::int64_t*>(examples.y)[row];
  }
}

template <class T>
__device__ T target(const CudaExamples& examples, const CudaGather<T>& gather, std::size_t row,
                    std::size_t column) {
  if (column >= gather.outputs) return T{0};
  T y;
  if (examples.are_labels) {
    y = label_at(examples, row) == static_cast<std::int64_t>(column) ? T{1} : T{0};
  } else {
    y = element<T>(examples.y, examples.y_type, row * examples.ld_y + column);
  }
  return gather.smooths ? flushed(flushed(gather.kept_target * y) + gather.rest_target) : y;
}

constexpr unsigned kGatherThreads = 256;

template <class T>
__global__ void __launch_bounds__(kGatherThreads)
    gather_kernel(const CudaStep<T> step, const CudaGather<T> gather) {
  if (!goes_on(step)) return;
  const CudaExamples& examples = *step.examples;
  const CudaStepEntry& entry = step.entries[step.control->steps];
  const auto row_of = [&](std::size_t i) {
    const std::size_t place = entry.first + gather.offset + i;
    return examples.order == nullptr ? place : examples.order[place - examples.order_begin];
  };
  const std::size_t of_x = gather.rows * gather.ld_x;
  const std::size_t of_y = gather.y == nullptr ? 0 : gather.rows * gather.ld_y;
  const std::size_t all = of_x + of_y + gather.rows;
  const std::size_t stride = static_cast<std::size_t>(gridDim.x) * kGatherThreads;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * kGatherThreads + threadIdx.x; i < all;
       i += stride) {
    if (i < of_x) {
      const std::size_t column = i % gather.ld_x;
      if (column >= gather.inputs) {
        gather.x[i] = T{0};
        continue;
      }
      const std::size_t row = row_of(i / gather.ld_x);
      const T x = element<T>(examples.x, examples.x_type, row * examples.ld_x + column);
      gather.x[i] = gather.dropout.threshold == 0
                        ? x
                        : flushed(x * mask_at(examples, gather.dropout, row, column));
    } else if (i < of_x + of_y) {
      const std::size_t place = i - of_x;
      gather.y[place] = target(examples, gather, row_of(place / gather.ld_y), place % gather.ld_y);
    } else {
      const std::size_t place = i - of_x - of_y;
      const std::size_t row = row_of(place);
      gather.row[place] = row;
      if (examples.are_labels) {
        const std::int64_t label = label_at(examples, row);
        const auto narrow = static_cast<std::int32_t>(label);
        gather.labels[place] = narrow == label ? narrow : -1;
      }
      const double weight = examples.weights == nullptr ? 1.0 : flushed(examples.weights[row]);
      gather.scale[place] = static_cast<T>(flushed(weight / entry.total_weight));
    }
  }
}

template <class T>
void launch_gather(const CudaStep<T>& step, const CudaGather<T>& gather, CudaStream stream) {
  constexpr std::size_t kMostBlocks = 4096;
  const std::size_t elements =
      gather.rows * (gather.ld_x + (gather.y == nullptr ? 0 : gather.ld_y) + 1);
  const std::size_t blocks = (elements + kGatherThreads - 1) / kGatherThreads;
  launch(true, gather_kernel<T>, static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks),
         kGatherThreads, stream, step, gather);
}

// ---- losses ------------------------------------------------------------------------------------

constexpr unsigned kLossThreads = 128;

template <class T>
__device__ __forceinline__ void losses_of(Loss loss, const LossArguments<T>& arguments) {
  switch (loss) {
#define DESCEND_ROW(name, targets) \
  case Loss::name: return losses::name<T>::rows(arguments);
    DESCEND_LOSSES(DESCEND_ROW)
#undef DESCEND_ROW
  }
}

/// Adds the losses of these rows to the step's; with the last of them, judges the step's loss.
template <class T>
__device__ void add_losses(const CudaStep<T>& step, const CudaLoss<T>& loss, double* room) {
  CudaControl& control = *step.control;
  const double* const weights = step.examples->weights;
  double sum = loss.is_first ? 0.0 : control.loss_sum;
  for (std::size_t begin = 0; begin < loss.rows; begin += loss.block_rows) {
    const std::size_t left = loss.rows - begin;
    const std::size_t rows = left < loss.block_rows ? left : loss.block_rows;
    const auto loss_of = [&](std::size_t i) {
      return static_cast<double>(__ldcg(loss.losses + begin + i));
    };
    const double of_block =
        weights == nullptr ? sum_in_lanes(rows, room, loss_of)
                           : sum_in_order(rows, room, [&](std::size_t i) {
                               return product(flushed(weights[loss.row[begin + i]]), loss_of(i));
                             });
    sum = added(sum, of_block);
  }
  if (threadIdx.x != 0) return;
  control.loss_sum = sum;
  if (!loss.is_last) return;
  const double penalty = control.penalty_sum;
  step.results[control.steps] = {sum, penalty};
  const double mean = added(sum / step.entries[control.steps].total_weight, penalty);
  if (!is_finite(sum) || !is_finite(mean)) control.end = CudaEnd::non_finite_loss;
}

/// A group of threads takes a row; or, where outputs are few, a thread does.
template <class T>
__global__ void __launch_bounds__(kLossThreads)
    loss_kernel(const CudaStep<T> step, const CudaLoss<T> loss) {
  if (!goes_on(step)) return;
  constexpr unsigned kGroups = kLossThreads / static_cast<unsigned>(kGroup<T>);
  const std::size_t group =
      static_cast<std::size_t>(blockIdx.x) * kGroups + threadIdx.x / kGroup<T>;
  const std::size_t rows_together = loss.outputs <= kGroup<T> ? kGroup<T> : 1;
  const std::size_t first = group * rows_together;
  if (first < loss.rows) {
    const std::size_t left = loss.rows - first;
    const std::size_t rows = left < rows_together ? left : rows_together;
    LossArguments<T> arguments{};
    arguments.rows = rows;
    arguments.outputs = loss.outputs;
    arguments.f = loss.f + first * loss.ld;
    arguments.ld_f = loss.ld;
    if (loss.y == nullptr) {
      arguments.labels = loss.labels + first;
    } else {
      arguments.y = loss.y + first * loss.ld_y;
      arguments.ld_y = loss.ld_y;
    }
    arguments.scale = loss.scale + first;
    arguments.d_outputs = loss.d_z + first * loss.ld;
    arguments.ld_d = loss.ld;
    arguments.padded = true;
    arguments.losses = loss.losses + first;
    losses_of(loss.loss, arguments);
    __syncwarp(own_group<T>());
    for (std::size_t i = own_lane<T>(); loss.labelled && i < rows; i += kGroup<T>) {
      const std::int32_t label = loss.labels[first + i];
      const bool is_class = label >= 0 && static_cast<std::size_t>(label) < loss.outputs;
      if (!is_class) arguments.losses[i] = Constants<T>::kNaN;
    }
    T* const outputs = static_cast<T*>(step.examples->outputs);
    const bool derives = loss.activation != Activation::identity;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = own_lane<T>(); j < loss.outputs; j += kGroup<T>) {
        const std::size_t place = (first + i) * loss.ld + j;
        if (outputs != nullptr) outputs[loss.row[first + i] * loss.outputs + j] = loss.f[place];
        if (derives) {
          loss.d_z[place] =
              flushed(loss.d_z[place] * derivative_of(loss.activation, loss.z_or_a[place]));
        }
      }
    }
  }
  if (!is_last_block(step.control->blocks_done, gridDim.x)) return;
  __shared__ double room[kTermRoom];
  add_losses(step, loss, room);
}

template <class T>
void launch_loss(const CudaStep<T>& step, const CudaLoss<T>& loss, CudaStream stream) {
  const std::size_t rows_together = loss.outputs <= kGroup<T> ? kGroup<T> : 1;
  const std::size_t of_block = kLossThreads / kGroup<T> * rows_together;
  const auto blocks = static_cast<unsigned>((loss.rows + of_block - 1) / of_block);
  launch(true, loss_kernel<T>, blocks, kLossThreads, stream, step, loss);
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
