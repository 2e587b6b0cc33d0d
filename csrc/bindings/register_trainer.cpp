// descend.Trainer over descend::Trainer.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <limits>

#include "bindings/arrays.hpp"
#include "bindings/initialised.hpp"
#include "bindings/optimizers.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"
#include "descend/trainer.hpp"

namespace py = pybind11;

namespace descend::bindings {

// The core's trainer and what its checks need to know of it.
struct BoundTrainer {
  Trainer trainer;
  Loss loss;
  Optimizer optimizer;
  TrainerOptions options;
  std::size_t outputs;
};

}  // namespace descend::bindings

namespace pybind11::detail {
template <>
struct type_caster<descend::bindings::BoundTrainer>
    : descend::bindings::InitialisedCaster<descend::bindings::BoundTrainer> {};
}  // namespace pybind11::detail

namespace descend::bindings {

namespace {

BoundTrainer make_trainer(const Network& network, py::handle loss_value, py::handle optimizer_value,
                          py::handle batch_size, py::handle shuffle, py::handle seed,
                          py::handle threads) {
  constexpr const char* kWhere = "Trainer";
  const std::string loss_name = name_argument(kWhere, "loss", loss_value);
  const Loss loss = prefixed(kWhere, [&] { return parse_loss(loss_name); });
  const Optimizer optimizer = optimizer_argument(kWhere, optimizer_value);
  TrainerOptions options;
  options.batch_size = optional_count(kWhere, "batch_size", batch_size);
  options.shuffle = flag_argument(kWhere, "shuffle", shuffle);
  options.seed =
      integer_argument(kWhere, "seed", seed, 0, std::numeric_limits<std::uint64_t>::max());
  options.threads = threads_argument(kWhere, threads);
  return {Trainer(network, loss, optimizer, options), loss, optimizer, options, network.outputs()};
}

// Whether a signal such as Ctrl-C has come; its Python exception is then set. Called from the
// thread that called fit, without the GIL.
bool signal_came() {
  const py::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() != 0;
}

// What `work` gives, done without the GIL; an exception that a signal's handler set goes on.
template <class Work>
auto without_gil(const Work& work) {
  const auto result = [&] {
    const py::gil_scoped_release release;
    return work();
  }();
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  return result;
}

std::optional<double> optional_number(const py::dict& stop, const char* key) {
  const py::object value = stop[key];
  if (value.is_none()) return std::nullopt;
  return number_argument("Stop", key, value);
}

Stop stop_from(const py::dict& conditions) {
  Stop stop;
  stop.max_steps = optional_count("Stop", "max_steps", conditions["max_steps"]);
  stop.parameter_change = optional_number(conditions, "parameter_change");
  stop.loss_change = optional_number(conditions, "loss_change");
  stop.target_loss = optional_number(conditions, "target_loss");
  stop.seconds = optional_number(conditions, "seconds");
  stop.patience = optional_count("Stop", "patience", conditions["patience"]);
  return stop;
}

py::dict report_dict(const EpochReport& report) {
  py::dict result;
  result["epoch"] = report.epoch;
  result["loss"] = report.loss;
  result["validation_loss"] = report.validation_loss;
  result["rows"] = report.rows;
  result["steps"] = report.steps;
  result["seconds"] = report.seconds;
  return result;
}

py::dict fit(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle epochs,
             py::handle sample_weight, py::handle validation_inputs, py::handle validation_targets,
             const py::dict& stop, const py::object& on_epoch) {
  constexpr const char* kWhere = "Trainer.fit";
  constexpr const char* kValidation = "Trainer.fit: validation_data";
  FitOptions options;
  options.epochs =
      integer_argument(kWhere, "epochs", epochs, 1, std::numeric_limits<std::size_t>::max());
  const auto x = matrix_argument(kWhere, "X", "(rows, inputs)", inputs);
  const auto y = targets_argument(kWhere, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  options.sample_weight = weights.view;
  options.stop = stop_from(stop);
  Held<ConstMatrixView> validation_x;
  Held<Targets> validation_y;
  if (!validation_inputs.is_none()) {
    validation_x = matrix_argument(kValidation, "X", "(rows, inputs)", validation_inputs);
    validation_y = targets_argument(kValidation, self.loss, self.outputs, validation_targets);
    options.validation_inputs = validation_x.view;
    options.validation_targets = validation_y.view;
  }
  if (!on_epoch.is_none()) {
    options.on_epoch = [&](const EpochReport& report) {
      const py::gil_scoped_acquire acquire;
      return on_epoch(report_dict(report)).cast<bool>();
    };
  }
  options.interrupted = signal_came;
  const History history = without_gil([&] { return self.trainer.fit(x.view, y.view, options); });
  py::dict result;
  result["loss"] = history.loss;
  result["validation_loss"] = history.validation_loss;
  result["steps"] = history.steps;
  result["seconds"] = history.seconds;
  result["stop_reason"] = name(history.stop_reason);
  return result;
}

double run_epoch(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle order,
                 py::handle sample_weight) {
  constexpr const char* kWhere = "Trainer.run_epoch";
  const auto x = matrix_argument(kWhere, "X", "(rows, inputs)", inputs);
  const auto y = targets_argument(kWhere, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  std::vector<std::size_t> indices;
  if (!order.is_none()) indices = order_argument(kWhere, order);
  return without_gil([&] {
    return self.trainer.run_epoch(x.view, y.view, order.is_none() ? nullptr : &indices,
                                  weights.view, signal_came);
  });
}

double step(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle sample_weight) {
  constexpr const char* kWhere = "Trainer.step";
  const auto x = matrix_argument(kWhere, "X", "(rows, inputs)", inputs);
  const auto y = targets_argument(kWhere, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  return without_gil([&] { return self.trainer.step(x.view, y.view, weights.view, signal_came); });
}

}  // namespace

void register_trainer(py::module_& module) {
  py::class_<BoundTrainer>(module, "Trainer",
                           "Trains a network: minibatches, epochs, stopping conditions.")
      .def(py::init(&make_trainer), py::arg("network"), py::arg("loss"), py::arg("optimizer"),
           py::arg("batch_size"), py::arg("shuffle"), py::arg("seed"), py::arg("threads"))
      .def("_fit", &fit, py::arg("X"), py::arg("y"), py::arg("epochs"), py::arg("sample_weight"),
           py::arg("validation_X"), py::arg("validation_y"), py::arg("stop"), py::arg("on_epoch"))
      .def("run_epoch", &run_epoch, py::arg("X"), py::arg("y"), py::arg("order") = py::none(),
           py::arg("sample_weight") = py::none(),
           R"doc(Run one epoch of minibatches.

Parameters
----------
X : array_like of shape (rows, inputs)
    As for ``fit``.
y : array_like
    Class indices of shape (rows,), or targets of shape (rows, outputs).
order : array_like of int, optional
    Row indices in visiting order, any number of them; by default the epoch's own shuffle.
sample_weight : array_like of shape (rows,), optional

Returns
-------
float
    The mean loss over the rows visited, each taken before the update of its step.

Raises
------
ValueError, TypeError
    If the arrays do not fit; nothing changes then.
FloatingPointError
    If the loss of a step is NaN or infinite, or its update would overflow. That step is not
    applied: parameters, optimizer state and ``steps`` are those of the step before.
)doc")
      .def("step", &step, py::arg("X"), py::arg("y"), py::arg("sample_weight") = py::none(),
           R"doc(Apply one optimizer step to a single minibatch.

Parameters
----------
X : array_like of shape (rows, inputs)
    As for ``fit``.
y : array_like
    Class indices of shape (rows,), or targets of shape (rows, outputs).
sample_weight : array_like of shape (rows,), optional

Returns
-------
float
    The loss before the update.

Raises
------
ValueError, TypeError
    If the arrays do not fit; nothing changes then.
FloatingPointError
    If the loss is NaN or infinite, or the update would overflow; nothing changes then.
)doc")
      .def_property_readonly(
          "epoch", [](const BoundTrainer& self) { return self.trainer.epoch(); },
          "Epochs begun so far.")
      .def_property_readonly(
          "steps", [](const BoundTrainer& self) { return self.trainer.steps(); },
          "Optimizer steps done so far.")
      .def_property_readonly(
          "loss", [](const BoundTrainer& self) { return name(self.loss); }, "The loss's name.")
      .def_property_readonly(
          "optimizer", [](const BoundTrainer& self) { return optimizer_object(self.optimizer); },
          "The optimizer's settings.")
      .def_property_readonly(
          "batch_size", [](const BoundTrainer& self) { return self.options.batch_size; },
          "Rows a step; None: all of them.")
      .def_property_readonly(
          "shuffle", [](const BoundTrainer& self) { return self.options.shuffle; },
          "Whether each epoch visits the rows in a new order.")
      .def_property_readonly(
          "seed", [](const BoundTrainer& self) { return self.options.seed; },
          "The seed of the shuffle and the dropout masks.");
}

}  // namespace descend::bindings
