// One function a file: each adds its part to the module.
#pragma once

#include <pybind11/pybind11.h>

namespace descend::bindings {

void register_errors(pybind11::module_& module);
void register_info(pybind11::module_& module);
void register_learning_rate(pybind11::module_& module);
void register_optimizers(pybind11::module_& module);
void register_network(pybind11::module_& module);
void register_gradient_noise(pybind11::module_& module);
void register_trainer(pybind11::module_& module);
void register_ops(pybind11::module_& module);
void register_metrics(pybind11::module_& module);
void register_splits(pybind11::module_& module);

}  // namespace descend::bindings
