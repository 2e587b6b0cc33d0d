// Weights of classes as Python objects.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

#include "descend/class_weight.hpp"
#include "descend/loss.hpp"

namespace descend::bindings {

/// None, "balanced", a sequence of a weight a class, or a dict of some classes' weights: those it
/// leaves out count 1. Raises TypeError and ValueError.
ClassWeight class_weight_argument(const char* where, pybind11::handle value, Loss loss,
                                  std::size_t outputs);

/// None, "balanced" or a list of a weight a class.
pybind11::object class_weight_object(const ClassWeight& class_weight);

}  // namespace descend::bindings
