// Where each layer's parameters stand in the flat vector theta, and the way from and to the
// canonical order: row-major (inputs, units) weights, then the bias, layer after layer.
#pragma once

#include <cstddef>
#include <vector>

#include "descend/activation.hpp"
#include "descend/network.hpp"
#include "kernels/panels.hpp"

namespace descend::engine {

struct LayerLayout {
  std::size_t inputs, units;
  std::size_t weights;  ///< paneled (inputs, units), in elements from theta's start
  std::size_t bias;     ///< padded (units)
  LayerShape canonical;
};

struct ParameterLayout {
  std::vector<LayerLayout> layers;
  std::size_t size = 0;   ///< of theta, in elements, padding included
  std::size_t count = 0;  ///< parameters without padding
};

/// Adjacent elements of theta: weights, or biases, of one layer.
struct Elements {
  std::size_t offset;  ///< from theta's start
  std::size_t size;
  bool are_biases;
};

/// Throws std::invalid_argument where the sizes do not fit in memory's addresses.
ParameterLayout parameter_layout(const NetworkSpec& spec);

/// Copies theta into `count` elements in canonical order.
template <class T>
void to_canonical(const ParameterLayout& layout, const T* theta, T* canonical);

/// Copies `count` elements in canonical order into theta, whose padding it leaves.
template <class T>
void from_canonical(const ParameterLayout& layout, const T* canonical, T* theta);

}  // namespace descend::engine
