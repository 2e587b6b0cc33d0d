#include "network/state.hpp"

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>

#include "core/checks.hpp"
#include "engine/csr_checks.hpp"
#include "network/initializers.hpp"

namespace descend::network {

namespace {

using core::invalid;

void check_dropout(const std::string& what, double rate) {
  if (!(rate >= 0.0 && rate < 1.0)) {
    throw invalid("Network: ", what, " has a dropout of ", rate, ", expected in [0, 1).");
  }
}

NetworkSpec checked(NetworkSpec spec) {
  if (spec.inputs == 0) throw invalid("Network: inputs must be at least 1, got 0.");
  if (spec.layers.empty()) {
    throw invalid("Network: layers is empty, expected at least one Dense layer.");
  }
  check_dropout("the input", spec.input_dropout);
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const Dense& layer = spec.layers[l];
    if (layer.units == 0) {
      throw invalid("Network: Dense layer ", l, " has 0 units, expected at least 1.");
    }
    check_dropout(core::text("Dense layer ", l), layer.dropout);
  }
  if (spec.layers.back().dropout > 0.0) {
    throw invalid("Network: the last layer has a dropout of ", spec.layers.back().dropout,
                  ", which would drop the network's outputs; expected 0.");
  }
  return spec;
}

std::variant<core::AlignedBuffer<float>, core::AlignedBuffer<double>> zeros(DType dtype,
                                                                            std::size_t size) {
  if (dtype == DType::float32) return core::AlignedBuffer<float>(size);
  return core::AlignedBuffer<double>(size);
}

}  // namespace

State::State(NetworkSpec given, std::uint64_t given_seed, Zero)
    : spec(checked(std::move(given))),
      seed(given_seed),
      layout(engine::parameter_layout(spec)),
      theta_(zeros(spec.dtype, layout.size)) {}

State::State(NetworkSpec given, std::uint64_t given_seed)
    : State(std::move(given), given_seed, Zero{}) {
  with_type(spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<double> weights;
    for (std::size_t l = 0; l < layout.layers.size(); ++l) {
      const engine::LayerLayout& layer = layout.layers[l];
      weights.resize(layer.inputs * layer.units);
      draw_weights(spec.init, layer.inputs, layer.units, seed, l, weights.data());
      T* const panels = theta<T>() + layer.weights;
      for (std::size_t row = 0; row < layer.inputs; ++row) {
        for (std::size_t unit = 0; unit < layer.units; ++unit) {
          panels[kernels::paneled_index<T>(layer.inputs, layer.units, row, unit)] =
              static_cast<T>(weights[row * layer.units + unit]);
        }
      }
    }
  });
}

State::State(const State& other) : State(other.spec, other.seed, Zero{}) {
  const std::shared_lock lock(other.mutex);
  theta_ = other.theta_;
}

void copy_parameters(const State& network, void* canonical) {
  const std::shared_lock lock(network.mutex);
  with_type(network.spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    engine::to_canonical(network.layout, network.theta<T>(), static_cast<T*>(canonical));
  });
}

void set_parameters(State& network, const void* canonical) {
  const std::unique_lock lock(network.mutex);
  with_type(network.spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    engine::from_canonical(network.layout, static_cast<const T*>(canonical), network.theta<T>());
  });
}

void check_inputs(const char* where, const NetworkSpec& spec, const InputView& inputs,
                  const engine::CheckOptions& options) {
  if (inputs.columns() != spec.inputs) {
    throw invalid(where, ": X has shape (", inputs.rows(), ", ", inputs.columns(),
                  "), but the network expects ", spec.inputs, " inputs (columns).");
  }
  if (inputs.rows() == 0) {
    throw invalid(where, ": X has shape (0, ", inputs.columns(), "), expected at least one row.");
  }
  if (inputs.is_sparse()) {
    engine::check_index_type(where, inputs.sparse());
    if (!options.reads_inputs) return;
    engine::check_places(where, inputs.sparse(), options);
    engine::check_finite(where, inputs.sparse(), spec.dtype, options);
  } else if (options.reads_inputs) {
    engine::check_finite(where, "X", inputs.dense(), spec.dtype, options);
  }
}

CheckedExamples::CheckedExamples(const char* where, const State& state, const InputView& inputs,
                                 const Targets& targets, Loss loss, ConstVectorView sample_weight,
                                 const engine::CheckOptions& options,
                                 const ClassWeight& class_weight)
    : inputs_(inputs), targets_(targets) {
  static std::atomic<std::uint64_t> serials{0};
  serial_ = ++serials;
  check_inputs(where, state.spec, inputs, options);
  if (inputs.is_sparse()) most_stored_ = engine::most_stored(inputs.sparse());
  const std::size_t outputs = state.spec.layers.back().units;
  engine::check_targets(where, targets, loss, inputs.rows(), outputs, state.spec.dtype, options);
  weights_ = engine::row_weights(where, sample_weight, class_weight, targets, outputs);
}

engine::Examples CheckedExamples::view() const {
  return {inputs_, targets_, weights(), most_stored_};
}

}  // namespace descend::network
