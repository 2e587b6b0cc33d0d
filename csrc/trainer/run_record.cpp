#include "trainer/run_record.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <shared_mutex>

#include "kernels/dispatch.hpp"

namespace descend::trainer {

Snapshot::Snapshot(const network::State& network) {
  network::with_type(network.spec.dtype, [&](auto zero) {
    theta_ = core::AlignedBuffer<decltype(zero)>(network.layout.size);
  });
  take(network);
}

void Snapshot::take(const network::State& network) {
  network::with_type(network.spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    auto& theta = std::get<core::AlignedBuffer<T>>(theta_);
    const std::shared_lock lock(network.mutex);
    std::copy_n(network.theta<T>(), theta.size(), theta.data());
  });
}

void Snapshot::restore(network::State& network) const {
  network::with_type(network.spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto& theta = std::get<core::AlignedBuffer<T>>(theta_);
    const std::unique_lock lock(network.mutex);
    std::copy_n(theta.data(), theta.size(), network.theta<T>());
  });
}

void Snapshot::copy_to(const network::State& network, void* canonical) const {
  network::with_type(network.spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto& theta = std::get<core::AlignedBuffer<T>>(theta_);
    engine::to_canonical(network.layout, theta.data(), static_cast<T*>(canonical));
  });
}

void Snapshot::copy_from(const network::State& network, const void* canonical) {
  network::with_type(network.spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    auto& theta = std::get<core::AlignedBuffer<T>>(theta_);
    engine::from_canonical(network.layout, static_cast<const T*>(canonical), theta.data());
  });
}

double Snapshot::distance(const network::State& network) const {
  return network::with_type(network.spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto& theta = std::get<core::AlignedBuffer<T>>(theta_);
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    const std::shared_lock lock(network.mutex);
    return std::sqrt(kernels.squared_distance(theta.size(), network.theta<T>(), theta.data()));
  });
}

void OpenEpoch::add_batch(const EpochProgress& step, double unit) {
  if (unit > weight_unit) {
    progress.loss_sum *= weight_unit / unit;
    progress.weight_sum *= weight_unit / unit;
    weight_unit = unit;
  }
  progress.loss_sum += step.loss_sum * (unit / weight_unit);
  progress.weight_sum += step.weight_sum * (unit / weight_unit);
  progress.steps += step.steps;
  progress.rows += step.rows;
  progress.visited += 1;
  progress.learning_rate = step.learning_rate;
}

std::size_t BestParameters::watch(const network::State& network, double loss) {
  if (loss < lowest) {
    lowest = loss;
    epochs_since = 0;
    parameters.take(network);
  } else {
    ++epochs_since;
  }
  return epochs_since;
}

}  // namespace descend::trainer
