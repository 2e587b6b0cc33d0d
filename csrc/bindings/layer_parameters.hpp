// The parameters of all layers as Python has them: [(weights (inputs, units), bias (units,)), ...].
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <vector>

#include "descend/network.hpp"

namespace descend::bindings {

/// Such a list over one flat array, whose order is that of the shapes; its arrays are views.
pybind11::list layer_arrays(const std::vector<LayerShape>& shapes, const pybind11::array& flat);

/// Such a list as one flat array of `dtype`, a copy. Raises TypeError where it is none, and
/// ValueError, which begins with `where`, where shapes differ or a value is not finite in `dtype`.
pybind11::array flat_parameters(const char* where, const std::vector<LayerShape>& shapes,
                                DType dtype, pybind11::handle given);

}  // namespace descend::bindings
