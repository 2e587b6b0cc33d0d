#include "engine/step_noise.hpp"

#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Of the gradient; the same whatever the number of workers.
constexpr std::size_t kPart = 512;

}  // namespace

template <class T>
StepNoise<T>::StepNoise(const ParameterLayout& layout, std::size_t block_rows)
    : size_(layout.size),
      layers_(layout.layers.size()),
      squares_(layers_ * block_rows),
      norms_((layout.size + kPart - 1) / kPart) {}

template <class T>
void StepNoise<T>::begin(const core::Worker& worker) {
  if (worker.index == 0) row_squares_ = 0.0;
}

template <class T>
void StepNoise<T>::take_rows(const core::Worker& worker, const CpuEngine<T>& engine,
                             const Minibatch& block) {
  engine.row_gradient_norms(worker, block, squares_.data());
}

template <class T>
void StepNoise<T>::add_rows(const core::Worker& worker, const Minibatch& block) {
  if (worker.index != 0) return;
  const auto& kernels = kernels::kernels_of<double>(kernels::kernel_table());
  row_squares_ += kernels.weighted_sum(layers_ * block.rows.count, squares_.data(), nullptr);
}

template <class T>
NoiseMoments StepNoise<T>::measure(const core::Worker& worker, const Minibatch& batch,
                                   const T* gradient) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const std::size_t whole = size_ / kPart;
  const core::Share share = worker.share(whole);
  kernels.squared_norms(share.size(), kPart, gradient + share.begin * kPart, kPart,
                        norms_.data() + share.begin);
  if (worker.index == 0 && whole < norms_.size()) {
    kernels.squared_norms(1, size_ - whole * kPart, gradient + whole * kPart, kPart,
                          &norms_.back());
  }
  worker.wait();
  if (worker.index != 0 || batch.rows.count < 2) return {};
  double norm = 0.0;
  for (const double part : norms_) norm += part;
  return noise_moments(static_cast<double>(batch.rows.count), 1.0, row_squares_, norm);
}

template class StepNoise<float>;
template class StepNoise<double>;

}  // namespace descend::engine
