#include <pybind11/pybind11.h>

#include "bindings/register.hpp"

PYBIND11_MODULE(_core, module) {
  using namespace descend::bindings;
  module.doc() = "The compiled core of descend.";
  register_errors(module);
  register_info(module);
  register_learning_rate(module);
  register_optimizers(module);
  register_network(module);
  register_gradient_noise(module);
  register_trainer(module);
  register_ops(module);
  register_metrics(module);
  register_splits(module);
}
