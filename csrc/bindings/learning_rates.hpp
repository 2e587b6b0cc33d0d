// Learning rates as Python objects: numbers, callables of the step, and schedules.
#pragma once

#include <pybind11/pybind11.h>

#include "descend/learning_rate.hpp"

namespace descend::bindings {

/// A number, a schedule or a callable as a learning rate. Raises TypeError for other objects.
LearningRate learning_rate_argument(const char* where, const char* what, pybind11::handle value);

/// The float of a constant, the callable of a plain function, else the schedule.
pybind11::object learning_rate_object(const LearningRate& learning_rate);

}  // namespace descend::bindings
