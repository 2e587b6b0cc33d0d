// The vectors that a trainer's steps keep beside the parameters: the optimizer's, and the
// parameters' average.
#include <algorithm>
#include <memory>

#include "core/checks.hpp"
#include "engine/data_checks.hpp"
#include "kernels/dispatch.hpp"
#include "trainer/state.hpp"

namespace descend::trainer {

template <class View>
void State::check_optimizer_state(const char* where, const std::vector<View>& vectors) const {
  if (vectors.size() != state_vectors(optimizer_)) {
    throw core::invalid(where, ": got ", vectors.size(), " vectors, but ", name(optimizer_),
                        " with these settings keeps ", state_vectors(optimizer_), ".");
  }
  for (const View& vector : vectors) check_size(where, vector);
}

template <class View>
void State::check_size(const char* where, const View& vector) const {
  if (vector.size() == network_->layout.count && vector.dtype() == network_->spec.dtype) return;
  throw core::invalid(where, ": a vector has ", vector.size(), " elements of ",
                      name(vector.dtype()), ", but the network has ", network_->layout.count,
                      " parameters of ", name(network_->spec.dtype), ".");
}

void State::check_finite(const char* where, const ConstVectorView& vector) const {
  engine::check_finite(where, "a vector", {vector.data(), vector.dtype(), 1, vector.size()},
                       network_->spec.dtype, {});
}

void State::get_optimizer_state(const std::vector<VectorView>& vectors) {
  constexpr const char* kWhere = "Trainer.optimizer_state";
  const BetweenSteps between(kWhere, *this);
  check_optimizer_state(kWhere, vectors);
  for (std::size_t i = 0; i < vectors.size(); ++i) copy_optimizer_vector(i, vectors[i].data());
}

void State::set_optimizer_state(std::size_t steps, const std::vector<ConstVectorView>& vectors) {
  constexpr const char* kWhere = "Trainer.optimizer_state";
  const Busy busy(kWhere, *this);
  check_optimizer_state(kWhere, vectors);
  check_no_run(kWhere);
  for (const ConstVectorView& vector : vectors) check_finite(kWhere, vector);
  for (std::size_t i = 0; i < vectors.size(); ++i) set_optimizer_vector(i, vectors[i].data());
  steps_ = steps;
}

void State::copy_optimizer_vector(std::size_t vector, void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    bring_cuda_vectors<T>();
    engine::to_canonical(network_->layout, memory<T>().state[vector].data(),
                         static_cast<T*>(canonical));
  });
}

void State::set_optimizer_vector(std::size_t vector, const void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    const std::size_t size = network_->layout.size;
    bring_cuda_vectors<T>();
    T* const state = memory<T>().state[vector].data();
    engine::from_canonical(network_->layout, static_cast<const T*>(canonical), state);
    growth_.state_within(kernels.absolute_sum(1, size, state, size));
    memory<T>().cuda_has_vectors = false;
  });
}

// The average starts at the parameters before the trainer's first step.
void State::begin_average() {
  if (!options_.average_decay || has_average_) return;
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::copy_n(network_->theta<T>(), network_->layout.size, memory<T>().average.data());
    memory<T>().cuda_has_vectors = false;
  });
  has_average_ = true;
}

std::shared_ptr<network::State> State::averaged_network() {
  constexpr const char* kWhere = "Trainer.averaged_network";
  const BetweenSteps between(kWhere, *this);
  if (!options_.average_decay) {
    throw core::invalid(kWhere, ": this trainer keeps no average; give it an average_decay.");
  }
  auto averaged = std::make_shared<network::State>(*network_);
  if (!has_average_) return averaged;
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    bring_cuda_vectors<T>();
    std::copy_n(memory<T>().average.data(), network_->layout.size, averaged->theta<T>());
  });
  return averaged;
}

void State::set_averaged_parameters(const ConstVectorView& parameters) {
  constexpr const char* kWhere = "Trainer.set_averaged_parameters";
  const Busy busy(kWhere, *this);
  if (!options_.average_decay) {
    throw core::invalid(kWhere, ": this trainer keeps no average; give it an average_decay.");
  }
  check_no_run(kWhere);
  check_size(kWhere, parameters);
  check_finite(kWhere, parameters);
  set_average(parameters.data());
}

void State::copy_average(void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    bring_cuda_vectors<T>();
    engine::to_canonical(network_->layout, memory<T>().average.data(), static_cast<T*>(canonical));
  });
}

void State::set_average(const void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    bring_cuda_vectors<T>();
    engine::from_canonical(network_->layout, static_cast<const T*>(canonical),
                           memory<T>().average.data());
    memory<T>().cuda_has_vectors = false;
  });
  has_average_ = true;
}

}  // namespace descend::trainer
