// Initial weights, drawn from Philox.
#pragma once

#include <cstddef>
#include <cstdint>

#include "descend/initializer.hpp"

namespace descend::network {

/// Writes the (inputs, units) weights of layer number `layer`, row-major and in double: a
/// function of the arguments alone, the same bits on every machine.
void draw_weights(Initializer init, std::size_t inputs, std::size_t units, std::uint64_t seed,
                  std::size_t layer, double* weights);

}  // namespace descend::network
