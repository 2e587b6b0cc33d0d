// What a trainer is between two calls: its optimizer, its averages and its file.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/bound_trainer.hpp"
#include "bindings/gil.hpp"
#include "bindings/learning_rates.hpp"
#include "bindings/optimizers.hpp"
#include "core/checks.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::text;

// With what the callbacks of the run at work keep, or else what a loaded trainer has of them.
void save(BoundTrainer& self, py::handle path, const std::optional<std::string>& text,
          const std::map<std::string, py::array>& arrays) {
  const std::string file = path_argument(path);
  if (text) {
    TrainerExtra extra;
    extra.text = *text;
    for (const auto& [name, array] : arrays) {
      ExtraTensor& tensor = extra.tensors[name];
      tensor.dtype = array.itemsize() == 4 ? DType::float32 : DType::float64;
      tensor.shape.assign(array.shape(), array.shape() + array.ndim());
      const auto* bytes = static_cast<const unsigned char*>(array.data());
      tensor.bytes.assign(bytes, bytes + array.nbytes());
    }
    self.trainer.set_extra(std::move(extra));
  }
  const GilReleased release;
  self.trainer.save(file);
}

// (text, {name: array}), as save takes them.
py::tuple extra(const BoundTrainer& self) {
  const TrainerExtra extra = self.trainer.extra();
  py::dict arrays;
  for (const auto& [name, tensor] : extra.tensors) {
    py::array array = new_array(tensor.dtype, {tensor.shape.begin(), tensor.shape.end()});
    std::copy(tensor.bytes.begin(), tensor.bytes.end(),
              static_cast<unsigned char*>(array.mutable_data()));
    arrays[py::str(name)] = array;
  }
  return py::make_tuple(extra.text, arrays);
}

py::object optimizer_state(const BoundTrainer& self) {
  py::list vectors;
  std::vector<VectorView> views;
  for (std::size_t i = 0; i < state_vectors(self.trainer.optimizer()); ++i) {
    py::array vector = new_array(self.dtype, {static_cast<py::ssize_t>(self.parameter_count)});
    views.emplace_back(vector.mutable_data(), self.dtype, self.parameter_count);
    vectors.append(vector);
  }
  self.trainer.get_optimizer_state(views);
  return py::module_::import("descend._core").attr("OptimizerState")(self.trainer.steps(), vectors);
}

void set_optimizer_state(BoundTrainer& self, py::handle state) {
  constexpr const char* kWhere = "Trainer.optimizer_state";
  if (!py::isinstance(state, py::module_::import("descend._core").attr("OptimizerState"))) {
    throw py::type_error(text(kWhere, ": expected a descend.OptimizerState, got ",
                              py::repr(state).cast<std::string>(), "."));
  }
  const auto steps = state.attr("step").cast<std::size_t>();
  std::vector<Held<ConstVectorView>> held;
  std::vector<ConstVectorView> views;
  for (const py::handle vector : state.attr("vectors")) {
    held.push_back(vector_argument(kWhere, "a vector", vector));
    views.push_back(held.back().view);
  }
  self.trainer.set_optimizer_state(steps, views);
}

py::object learning_rate_of(const BoundTrainer& self) {
  return learning_rate_object(learning_rate(self.trainer.optimizer()));
}

}  // namespace

void define_state(TrainerClass& trainer) {
  trainer
      .def("_save", &save, py::arg("path"), py::arg("extra_text") = py::none(),
           py::arg("extra_arrays") = py::dict())
      .def("_extra", &extra)
      .def_property(
          "learning_rate", &learning_rate_of,
          [](BoundTrainer& self, py::handle value) {
            self.trainer.set_learning_rate(
                learning_rate_argument("Trainer", "learning_rate", value));
          },
          R"doc(The learning rate from the next step on; may be set between two calls and in a
callback.

A number, a schedule of ``descend.schedules``, or a callable of the step, which is given its
number over the trainer's life, from 1.
)doc")
      .def_property("optimizer_state", &optimizer_state, &set_optimizer_state,
                    R"doc(The steps done and a copy of the vectors that the optimizer keeps.

Each is flat, of the network's dtype: weights (inputs, units) in C order, then the bias, layer
after layer. Setting it goes on from where another trainer of an equal network stood.
)doc")
      .def("_averaged_network",
           [](const BoundTrainer& self) { return self.trainer.averaged_network(); })
      .def(
          "_set_averaged_parameters",
          [](BoundTrainer& self, py::handle parameters) {
            constexpr const char* kWhere = "Trainer.set_averaged_parameters";
            self.trainer.set_averaged_parameters(
                vector_argument(kWhere, "parameters", parameters).view);
          },
          py::arg("parameters"));
}

}  // namespace descend::bindings
