#include "bindings/class_weights.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <string>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "core/checks.hpp"
#include "trainer/loss_options.hpp"

namespace py = pybind11;

namespace descend::bindings {

ClassWeight class_weight_argument(const char* where, py::handle value, Loss loss,
                                  std::size_t outputs) {
  constexpr const char* kWhat = "class_weight";
  ClassWeight class_weight;
  if (value.is_none()) return class_weight;
  if (py::isinstance<py::str>(value)) {
    if (value.cast<std::string>() != "balanced") {
      throw core::invalid(where, ": class_weight must be 'balanced', a dict or a sequence, got ",
                          py::repr(value).cast<std::string>(), ".");
    }
    class_weight.balanced = true;
    return class_weight;
  }
  if (!py::isinstance<py::dict>(value)) {
    const auto given = vector_argument(where, kWhat, value);
    const ConstVectorView& weights = given.view;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      class_weight.weights.push_back(weights.dtype() == DType::float32
                                         ? static_cast<const float*>(weights.data())[i]
                                         : static_cast<const double*>(weights.data())[i]);
    }
    if (class_weight.weights.empty()) {
      throw core::invalid(where, ": class_weight is empty; give one weight a class.");
    }
    return class_weight;
  }
  const std::size_t classes = trainer::classes_of(loss, outputs);
  class_weight.weights.assign(std::max(classes, std::size_t{1}), 1.0);
  if (classes == 0) return class_weight;  // which the trainer refuses
  for (const auto& [label, weight] : value.cast<py::dict>()) {
    const std::uint64_t index =
        integer_argument(where, "a class of class_weight", label, 0,
                         static_cast<std::uint64_t>(class_weight.weights.size()) - 1);
    class_weight.weights[index] = number_argument(where, kWhat, weight);
  }
  return class_weight;
}

py::object class_weight_object(const ClassWeight& class_weight) {
  if (class_weight.balanced) return py::str("balanced");
  if (class_weight.weights.empty()) return py::none();
  return py::cast(class_weight.weights);
}

}  // namespace descend::bindings
