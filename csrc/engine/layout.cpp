#include "engine/layout.hpp"

#include <algorithm>

#include "core/checks.hpp"

namespace descend::engine {

namespace {

using core::checked_product;
using core::checked_sum;

constexpr const char* kWhere = "Network";

// Calls visit(theta index, canonical index, length) for every run of parameters that stands
// together in both orders.
template <class T, class Visit>
void for_each_run(const ParameterLayout& layout, const Visit& visit) {
  for (const LayerLayout& layer : layout.layers) {
    for (std::size_t begin = 0; begin < layer.units; begin += kernels::kPanel<T>) {
      const std::size_t columns = std::min(kernels::kPanel<T>, layer.units - begin);
      for (std::size_t row = 0; row < layer.inputs; ++row) {
        visit(layer.weights + kernels::paneled_index<T>(layer.inputs, layer.units, row, begin),
              layer.canonical.weights_offset + row * layer.units + begin, columns);
      }
    }
    visit(layer.bias, layer.canonical.bias_offset, layer.units);
  }
}

}  // namespace

ParameterLayout parameter_layout(const NetworkSpec& spec) {
  const std::size_t group = kernels::kGroupBytes / element_size(spec.dtype);
  ParameterLayout layout;
  std::size_t inputs = spec.inputs;
  for (const Dense& dense : spec.layers) {
    LayerLayout layer{};
    layer.inputs = inputs;
    layer.units = dense.units;
    const std::size_t padded = checked_sum(dense.units, group - 1, kWhere) / group * group;
    layer.weights = layout.size;
    layer.bias = checked_sum(layer.weights, checked_product(inputs, padded, kWhere), kWhere);
    layout.size = checked_sum(layer.bias, padded, kWhere);
    layer.canonical = {inputs, dense.units, layout.count, layout.count + inputs * dense.units};
    layout.count = layer.canonical.bias_offset + dense.units;
    layout.layers.push_back(layer);
    inputs = dense.units;
  }
  checked_product(layout.size, element_size(spec.dtype), kWhere);
  return layout;
}

template <class T>
void to_canonical(const ParameterLayout& layout, const T* theta, T* canonical) {
  for_each_run<T>(layout, [&](std::size_t from, std::size_t to, std::size_t length) {
    std::copy_n(theta + from, length, canonical + to);
  });
}

template <class T>
void from_canonical(const ParameterLayout& layout, const T* canonical, T* theta) {
  for_each_run<T>(layout, [&](std::size_t to, std::size_t from, std::size_t length) {
    std::copy_n(canonical + from, length, theta + to);
  });
}

template void to_canonical<float>(const ParameterLayout&, const float*, float*);
template void to_canonical<double>(const ParameterLayout&, const double*, double*);
template void from_canonical<float>(const ParameterLayout&, const float*, float*);
template void from_canonical<double>(const ParameterLayout&, const double*, double*);

}  // namespace descend::engine
