// Three classes on a line, a network with one hidden layer that tells them apart, and its trainer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "descend/descend.hpp"

constexpr std::size_t kRows = 96;

struct Data {
  std::vector<float> x = std::vector<float>(kRows);
  std::vector<std::uint8_t> labels = std::vector<std::uint8_t>(kRows);

  Data() {
    for (std::size_t row = 0; row < kRows; ++row) {
      x[row] = static_cast<float>(row) / kRows * 6 - 3;
      labels[row] = static_cast<std::uint8_t>(row * 3 / kRows);
    }
  }
  descend::ConstMatrixView inputs() const { return {x.data(), kRows, 1}; }
  descend::LabelView targets() const { return {labels.data(), kRows}; }
};

inline descend::Network small_network() {
  descend::NetworkSpec spec;
  spec.inputs = 1;
  spec.layers = {{16, descend::Activation::tanh}, {3}};
  return descend::Network(spec, 1);
}

inline descend::Trainer small_trainer(const descend::Network& network,
                                      descend::TrainerOptions options = {}) {
  descend::Adam adam;
  adam.learning_rate = 0.02;
  return descend::Trainer(network, descend::Loss::softmax_cross_entropy, adam, options);
}

inline std::vector<float> parameters_of(const descend::Network& network) {
  std::vector<float> parameters(network.parameter_count());
  network.get_parameters({parameters.data(), parameters.size()});
  return parameters;
}
