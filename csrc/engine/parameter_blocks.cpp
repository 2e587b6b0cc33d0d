#include "engine/parameter_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Parameters of a block.
constexpr std::size_t kBlock = 4096;

}  // namespace

template <class T>
ParameterBlocks<T>::ParameterBlocks(const ParameterLayout& layout)
    : kernels_(kernels::kernels_of<T>(kernels::kernel_table())) {
  for (const LayerLayout& place : layout.layers) {
    const std::size_t size = kernels::paneled_size<T>(place.inputs, place.units);
    for (std::size_t begin = 0; begin < size; begin += kBlock) {
      blocks_.push_back({place.weights + begin, std::min(kBlock, size - begin), false});
    }
    const std::size_t biases = kernels::padded<T>(place.units);
    for (std::size_t begin = 0; begin < biases; begin += kBlock) {
      blocks_.push_back({place.bias + begin, std::min(kBlock, biases - begin), true});
    }
  }
  penalties_ = core::AlignedBuffer<double>(blocks_.size());
  squared_norms_ = core::AlignedBuffer<double>(blocks_.size());
}

template <class T>
void ParameterBlocks<T>::measure_penalty(const core::Worker& worker, const Penalty& penalty,
                                         const T* theta) {
  const core::Share share = worker.share(blocks_.size());
  for (std::size_t i = share.begin; i < share.end; ++i) {
    const Elements& block = blocks_[i];
    if (block.are_biases) continue;
    penalties_.data()[i] =
        kernels_.penalty(block.size, theta + block.offset, penalty.l2, penalty.l1);
  }
}

template <class T>
double ParameterBlocks<T>::penalty_sum() const {
  double sum = 0.0;
  for (std::size_t i = 0; i < blocks_.size(); ++i) sum += penalties_.data()[i];
  return sum;
}

template <class T>
double ParameterBlocks<T>::clip_gradient(const core::Worker& worker, double most_norm, T* gradient,
                                         Update<T>& update) {
  const core::Share share = worker.share(blocks_.size());
  for (std::size_t i = share.begin; i < share.end; ++i) {
    const Elements& block = blocks_[i];
    T* const own = gradient + block.offset;
    add_penalty_gradient(kernels_, update, block, update.vectors.theta + block.offset, own);
    const bool finite = kernels_.all_finite(block.size, own);
    clip(kernels_, update, block.size, own);
    squared_norms_.data()[i] =
        finite ? kernels_.squared_norm(block.size, own) : std::numeric_limits<double>::quiet_NaN();
  }
  worker.wait();
  double sum = 0.0;
  for (std::size_t i = 0; i < blocks_.size(); ++i) sum += squared_norms_.data()[i];
  const double norm = std::sqrt(sum);
  update.penalty = {};
  update.clip_value = Clipping{}.value;
  if (norm > most_norm) update.gradient_scale = most_norm / norm;
  return norm;
}

template class ParameterBlocks<float>;
template class ParameterBlocks<double>;

}  // namespace descend::engine
