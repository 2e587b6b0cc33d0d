// The optimizers as Python objects.
#pragma once

#include <pybind11/pybind11.h>

#include "descend/optimizer.hpp"

namespace descend::bindings {

/// The optimizer in a Python object of one of its classes. Raises TypeError for other objects.
Optimizer optimizer_argument(const char* where, pybind11::handle value);

/// A Python object of the optimizer's class.
pybind11::object optimizer_object(const Optimizer& optimizer);

}  // namespace descend::bindings
