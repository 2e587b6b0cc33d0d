// The kernels of a GPU, as functions that start them on a stream.
//   x (rows, inputs)  w (inputs, units)  b (units)  z = x w + b  a = f(z)  d_v = dJ/dv
// All pointers are the device's. Matrices are row-major with rows padded to whole groups, but for
// theta's layout (panels.hpp). Every output is the sum that the processor's kernels take, in their
// order, and so has their bits.
//
// The steps of a stretch follow one another on the stream without the host's help: the control
// block counts them, and each finds its rows and its rule in `steps`. A step reads one copy of
// theta and the optimizer's state and writes the other, so that a step that ends the stretch, since
// its loss or its update is not finite, leaves the copy of the step before; what is started behind
// it does nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.hpp"

struct CUstream_st;

namespace descend::kernels {

using CudaStream = CUstream_st*;

/// Why a stretch ended before its last step.
enum class CudaEnd : int { none, non_finite_loss, overflow };

struct CudaControl {
  unsigned steps;    ///< done in the stretch
  unsigned current;  ///< the copy that holds the vectors
  CudaEnd end;
  unsigned overflow;      ///< of the update at work
  unsigned blocks_done;   ///< of the kernel at work whose last block has more to do
  double loss_sum;        ///< of the step at work
  double penalty_sum;     ///< likewise
  double gradient_scale;  ///< likewise, where the norm clips it
};

/// An optimizer's rule with what a step has in common for all elements, made on the host.
struct CudaRule {
  static constexpr std::size_t kBytes = 80;
  alignas(16) unsigned char bytes[kBytes];
};

/// What differs from step to step.
struct CudaStepEntry {
  std::size_t first;    ///< its rows' place in the visiting order
  double total_weight;  ///< of its rows
  double l2, l1;        ///< the penalty
  CudaRule of_weights, of_biases;
};

struct CudaStepResult {
  double loss_sum;  ///< sum_i w_i L_i
  double penalty_sum;
};

/// The data set, and what belongs to one call.
struct CudaExamples {
  const void* x;
  ElementType x_type;
  std::size_t ld_x;
  const void* y;  ///< values, or class indices
  ElementType y_type;
  std::size_t ld_y;
  bool are_labels;
  const double* weights;     ///< null: all 1
  const std::size_t* order;  ///< of the places from order_begin on; null: rows as they stand
  std::size_t order_begin;
  void* outputs;  ///< of T, (rows of the data set, outputs); null: not asked for
  std::uint32_t dropout_key[2], dropout_index, dropout_purpose;
};

/// Both copies of the vectors that steps change.
template <class T>
struct CudaVectors {
  T* theta[2];
  T* state[kMostStates][2];  ///< null where the optimizer keeps fewer
  T* average[2];             ///< null where none is kept
  T average_decay, average_rest;
};

template <class T>
struct CudaStep {
  CudaControl* control;
  const CudaStepEntry* entries;
  CudaStepResult* results;
  const CudaExamples* examples;
  CudaVectors<T> vectors;
};

/// A Bernoulli mask; rate 0: none.
template <class T>
struct CudaDropout {
  std::uint32_t threshold;  ///< a word below it drops; 0: none is dropped
  std::uint32_t layer;
  T kept;  ///< 1 / (1 - rate)
};

/// Rows [offset, offset + rows) of a step: its inputs, targets and scales.
template <class T>
struct CudaGather {
  std::size_t offset, rows;
  std::size_t inputs, outputs;
  CudaDropout<T> dropout;
  bool smooths;  ///< targets become kept_target y + rest_target, one-hot ones too
  T kept_target, rest_target;
  T* x;
  std::size_t ld_x;
  T* y;  ///< null where targets are class indices that are not smoothed
  std::size_t ld_y;
  std::int32_t* labels;
  T* scale;
  std::size_t* row;  ///< each row's place in the data set
};

template <class T>
struct CudaForward {
  std::size_t rows, inputs, units;
  const T* x;
  std::size_t ld_x;
  std::size_t weights, bias;  ///< places in theta
  T* z;                       ///< null where the derivative takes a
  T* a;
  T* dropped;  ///< a times the mask; null where none is dropped
  std::size_t ld;
  Activation activation;
  CudaDropout<T> dropout;
  const std::size_t* row;
};

template <class T>
struct CudaLoss {
  std::size_t rows, outputs;
  Loss loss;
  Activation activation;  ///< of the last layer
  const T* f;
  const T* z_or_a;
  T* d_z;
  std::size_t ld;
  const T* y;  ///< null: labels
  std::size_t ld_y;
  const std::int32_t* labels;
  const T* scale;
  const std::size_t* row;
  T* losses;
  bool labelled;           ///< labels are given; one that is no class makes its loss NaN
  std::size_t block_rows;  ///< whose losses are summed before they are added
  bool is_first, is_last;  ///< of the parts of a step
};

template <class T>
struct CudaBackwardInput {
  std::size_t rows, inputs, units;
  const T* d_z;
  std::size_t ld_d_z;
  std::size_t weights;
  const T* z_or_a_below;  ///< null where the derivative is 1
  T* d_z_below;
  std::size_t ld_below;
  Activation activation_below;
  CudaDropout<T> dropout_below;
  const std::size_t* row;
};

/// A layer's gradient over some rows: one chain; or of rows [0, split_rows) a sum over blocks of
/// block_rows rows, each of kRowParts chains over parts of it, and then a chain that goes on from
/// it. Such chains are taken side by side and left in `partial`, where the last of a tile to be
/// there adds them up.
template <class T>
struct CudaGradient {
  std::size_t inputs, units;
  std::size_t weights, bias;  ///< places in theta
  const T* x;
  std::size_t ld_x;
  const T* d_z;
  std::size_t ld_d_z;
  std::size_t rows, split_rows, block_rows;
  bool goes_on;  ///< from the gradient that stands there
  T* partial;    ///< chain c's weights, and bias behind them, at c partial_size
  std::size_t partial_size;
  // Of the launch, where the kernel's blocks are shared out among the layers: each tile of the
  // weights, and each block of the bias before them, takes `chains` of them and has a counter.
  unsigned first_block, first_counter, chains, tile_rows, tile_columns, bias_blocks;
  unsigned* counters;
};

struct CudaGradientPlan {
  unsigned layers, blocks;
  unsigned counters;
  int tiles;  ///< their size, from 0, the largest, to 2
};

/// Elements of theta, of one layer's weights or bias.
struct CudaElements {
  std::size_t offset;
  unsigned size;
  bool are_biases;
};

/// What an update, or the sums over all parameters, have in common.
template <class T>
struct CudaUpdate {
  T* gradient;  ///< where it stands
  bool has_penalty;
  bool clips_value;
  T clip_value;
  bool clips_norm;  ///< the gradient stands then, with the penalty's, its elements clipped
  double clip_norm;
  const CudaElements* elements;  ///< of each block
  unsigned blocks;
  double* sums;  ///< one of each block
};

/// Parts of a block of rows whose chains are added as (c0 + c1) + (c2 + c3).
constexpr unsigned kRowParts = 4;

/// Elements of theta that one thread block updates.
constexpr unsigned kUpdateElements = 1024;

template <class T>
struct CudaKernels {
  void (*gather)(const CudaStep<T>&, const CudaGather<T>&, CudaStream);
  void (*forward)(const CudaStep<T>&, const CudaForward<T>&, CudaStream);
  void (*loss)(const CudaStep<T>&, const CudaLoss<T>&, CudaStream);
  void (*backward_input)(const CudaStep<T>&, const CudaBackwardInput<T>&, CudaStream);
  /// Shares out a launch's blocks among `count` layers.
  CudaGradientPlan (*plan_gradients)(CudaGradient<T>* layers, std::size_t count);
  /// Of layers that were planned and stand in the device's memory, into a vector of theta's layout.
  void (*gradients)(const CudaStep<T>&, const CudaGradient<T>* layers, const CudaGradientPlan&,
                    T* gradient, CudaStream);
  void (*measure_penalty)(const CudaStep<T>&, const CudaUpdate<T>&, CudaStream);
  void (*clip_norm)(const CudaStep<T>&, const CudaUpdate<T>&, CudaStream);
  /// Ends a step whose gradient stands.
  void (*update[kOptimizerCount])(const void* hyperparameters, const CudaStep<T>&,
                                  const CudaUpdate<T>&, CudaStream);
  /// The rule of a step, from its scalars.
  void (*make_rule[kOptimizerCount])(const void* hyperparameters, const StepScalars& scalars,
                                     bool decay, CudaRule& rule);
};

namespace cuda {
extern const CudaKernels<float> kFloat32;
extern const CudaKernels<double> kFloat64;
}  // namespace cuda

template <class T>
const CudaKernels<T>& cuda_kernels();
template <>
inline const CudaKernels<float>& cuda_kernels<float>() {
  return cuda::kFloat32;
}
template <>
inline const CudaKernels<double>& cuda_kernels<double>() {
  return cuda::kFloat64;
}

}  // namespace descend::kernels
