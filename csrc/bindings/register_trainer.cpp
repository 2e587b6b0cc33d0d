// descend.Trainer over descend::Trainer.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/initialised.hpp"
#include "bindings/learning_rates.hpp"
#include "bindings/optimizers.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"
#include "descend/trainer.hpp"

namespace py = pybind11;

namespace descend::bindings {

// The core's trainer and what its checks need to know of it.
struct BoundTrainer {
  explicit BoundTrainer(Trainer given)
      : trainer(std::move(given)),
        loss(trainer.loss()),
        options(trainer.options()),
        outputs(trainer.network().outputs()),
        parameter_count(trainer.network().parameter_count()),
        dtype(trainer.network().spec().dtype) {}

  Trainer trainer;
  Loss loss;
  TrainerOptions options;
  std::size_t outputs;
  std::size_t parameter_count;
  DType dtype;
};

}  // namespace descend::bindings

namespace pybind11::detail {
template <>
struct type_caster<descend::bindings::BoundTrainer>
    : descend::bindings::InitialisedCaster<descend::bindings::BoundTrainer> {};
}  // namespace pybind11::detail

namespace descend::bindings {

namespace {

using core::text;

std::optional<double> optional_number(const char* where, const char* what, py::handle value) {
  if (value.is_none()) return std::nullopt;
  return number_argument(where, what, value);
}

// None, "balanced", a sequence of a weight a class, or a dict of some classes' weights: those it
// leaves out count 1.
ClassWeight class_weight_argument(const char* where, py::handle value, std::size_t classes) {
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
  class_weight.weights.assign(std::max<std::size_t>(classes, 1), 1.0);
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

BoundTrainer make_trainer(const Network& network, py::handle loss_value, py::handle optimizer_value,
                          py::handle batch_size, py::handle shuffle, py::handle seed,
                          py::handle threads, py::handle l2, py::handle l1,
                          py::handle divide_penalty, py::handle clip_norm, py::handle clip_value,
                          py::handle average_decay, py::handle class_weight,
                          py::handle label_smoothing) {
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
  options.l2 = number_argument(kWhere, "l2", l2);
  options.l1 = number_argument(kWhere, "l1", l1);
  options.divide_penalty = flag_argument(kWhere, "divide_penalty", divide_penalty);
  options.clip_norm = optional_number(kWhere, "clip_norm", clip_norm);
  options.clip_value = optional_number(kWhere, "clip_value", clip_value);
  options.average_decay = optional_number(kWhere, "average_decay", average_decay);
  const bool is_sigmoid = loss == Loss::sigmoid_cross_entropy && network.outputs() == 1;
  options.class_weight =
      class_weight_argument(kWhere, class_weight, is_sigmoid ? 2 : network.outputs());
  options.label_smoothing = number_argument(kWhere, "label_smoothing", label_smoothing);
  return BoundTrainer(Trainer(network, loss, optimizer, options));
}

BoundTrainer load_trainer(py::handle path, py::handle threads) {
  const std::string file = path_argument(path);
  const int thread_count = threads_argument("Trainer.load", threads);
  const py::gil_scoped_release release;
  return BoundTrainer(Trainer::load(file, thread_count));
}

void save(const BoundTrainer& self, py::handle path) {
  const std::string file = path_argument(path);
  const py::gil_scoped_release release;
  self.trainer.save(file);
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

Stop stop_from(const py::dict& conditions) {
  Stop stop;
  const auto number = [&](const char* key) {
    return optional_number("Stop", key, conditions[key]);
  };
  stop.max_steps = optional_count("Stop", "max_steps", conditions["max_steps"]);
  stop.parameter_change = number("parameter_change");
  stop.loss_change = number("loss_change");
  stop.target_loss = number("target_loss");
  stop.seconds = number("seconds");
  stop.patience = optional_count("Stop", "patience", conditions["patience"]);
  return stop;
}

py::dict report_dict(const EpochReport& report) {
  py::dict result;
  result["epoch"] = report.epoch;
  result["loss"] = report.loss;
  result["validation_loss"] = report.validation_loss;
  result["learning_rate"] = report.learning_rate;
  result["rows"] = report.rows;
  result["steps"] = report.steps;
  result["seconds"] = report.seconds;
  return result;
}

py::dict history_dict(const History& history) {
  py::dict result;
  result["loss"] = history.loss;
  result["validation_loss"] = history.validation_loss;
  result["steps"] = history.steps;
  result["seconds"] = history.seconds;
  result["stop_reason"] = name(history.stop_reason);
  return result;
}

py::dict fit(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle epochs,
             py::handle sample_weight, py::handle validation_inputs, py::handle validation_targets,
             const py::dict& stop, const py::object& on_epoch) {
  constexpr const char* kWhere = "Trainer.fit";
  constexpr const char* kValidation = "Trainer.fit: validation_data";
  FitOptions options;
  options.epochs =
      integer_argument(kWhere, "epochs", epochs, 0, std::numeric_limits<std::size_t>::max());
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
  return history_dict(without_gil([&] { return self.trainer.fit(x.view, y.view, options); }));
}

py::object unfinished_run(const BoundTrainer& self) {
  const std::optional<History> history = self.trainer.unfinished_run();
  if (!history) return py::none();
  return history_dict(*history);
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

// (steps, 3): loss, penalty and weight of each step.
py::array last_steps(const BoundTrainer& self) {
  const std::vector<StepTerms> reports = self.trainer.last_steps();
  py::array_t<double> table({static_cast<py::ssize_t>(reports.size()), py::ssize_t{3}});
  auto cells = table.mutable_unchecked<2>();
  for (py::ssize_t i = 0; i < cells.shape(0); ++i) {
    const StepTerms& report = reports[static_cast<std::size_t>(i)];
    cells(i, 0) = report.loss;
    cells(i, 1) = report.penalty;
    cells(i, 2) = report.weight;
  }
  return table;
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

void register_trainer(py::module_& module) {
  py::class_<BoundTrainer>(module, "Trainer",
                           "Trains a network: minibatches, epochs, stopping conditions.")
      .def(py::init(&make_trainer), py::arg("network"), py::arg("loss"), py::arg("optimizer"),
           py::arg("batch_size"), py::arg("shuffle"), py::arg("seed"), py::arg("threads"),
           py::arg("l2"), py::arg("l1"), py::arg("divide_penalty"), py::arg("clip_norm"),
           py::arg("clip_value"), py::arg("average_decay"), py::arg("class_weight"),
           py::arg("label_smoothing"))
      .def(py::init(&load_trainer), py::arg("path"), py::arg("threads"), "The trainer in a file.")
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
RuntimeError
    If the learning rate's callable raises; as for ``fit``.
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
      .def("save", &save, py::arg("path"),
           R"doc(Write the trainer as it stands to one file, replacing it atomically.

The file holds parameters, loss, settings, optimizer and its state, ``epoch`` and ``steps``; saved
by a callback of ``fit``, the run at work too: its history, the best parameters of ``patience``,
the position within the epoch. ``Trainer.load`` goes on from there to the same bits. It is a
safetensors file, of which ``Network.load`` reads the network. ``threads`` and ``last_steps`` are
left out.

Parameters
----------
path : str or path

Raises
------
OSError
    If the file cannot be written; an earlier file stays as it was.
RuntimeError
    If the trainer is at work in another thread; save from a callback.
)doc")
      .def(
          "discard_run", [](BoundTrainer& self) { self.trainer.discard_run(); },
          R"doc(Give up the unfinished run of a loaded trainer.

The next ``fit`` begins a run of its own with a new epoch. Parameters and optimizer stay as they
are; without an unfinished run nothing changes.
)doc")
      .def_property_readonly("_unfinished_run", &unfinished_run)
      .def_property_readonly(
          "epoch", [](const BoundTrainer& self) { return self.trainer.epoch(); },
          "Epochs that ended so far, those ended early among them.")
      .def_property_readonly(
          "steps", [](const BoundTrainer& self) { return self.trainer.steps(); },
          "Optimizer steps done so far.")
      .def_property_readonly(
          "loss", [](const BoundTrainer& self) { return name(self.loss); }, "The loss's name.")
      .def_property_readonly(
          "optimizer",
          [](const BoundTrainer& self) { return optimizer_object(self.trainer.optimizer()); },
          "The optimizer's settings, with the learning rate in use.")
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
      .def_property_readonly("last_steps", &last_steps,
                             R"doc(What the steps of the last ``run_epoch`` or ``step`` gave.

An ndarray of shape (steps, 3), each before its update: the mean loss of the minibatch's rows,
the penalty beside it, and the rows' sum of weights.
)doc")
      .def_property_readonly(
          "l2", [](const BoundTrainer& self) { return self.options.l2; },
          "The factor of half the sum of the squared weights in the loss.")
      .def_property_readonly(
          "l1", [](const BoundTrainer& self) { return self.options.l1; },
          "The factor of the sum of the weights' magnitudes in the loss.")
      .def_property_readonly(
          "divide_penalty", [](const BoundTrainer& self) { return self.options.divide_penalty; },
          "Whether the penalty is divided by the minibatch's sum of weights.")
      .def_property_readonly(
          "clip_norm", [](const BoundTrainer& self) { return self.options.clip_norm; },
          "The largest norm that a step's gradient may have; None: any.")
      .def_property_readonly(
          "clip_value", [](const BoundTrainer& self) { return self.options.clip_value; },
          "The largest magnitude that an element of a step's gradient may have; None: any.")
      .def_property_readonly(
          "average_decay", [](const BoundTrainer& self) { return self.options.average_decay; },
          "The decay of the parameters' moving average; None: none is kept.")
      .def_property_readonly(
          "class_weight",
          [](const BoundTrainer& self) { return class_weight_object(self.options.class_weight); },
          "A weight a class, \"balanced\", or None.")
      .def_property_readonly(
          "label_smoothing", [](const BoundTrainer& self) { return self.options.label_smoothing; },
          "How far the targets are drawn towards equal probabilities.")
      .def("_averaged_network",
           [](const BoundTrainer& self) { return self.trainer.averaged_network(); })
      .def_property_readonly(
          "batch_size", [](const BoundTrainer& self) { return self.options.batch_size; },
          "Rows a step; None: all of them.")
      .def_property_readonly(
          "shuffle", [](const BoundTrainer& self) { return self.options.shuffle; },
          "Whether each epoch visits the rows in a new order.")
      .def_property_readonly(
          "seed", [](const BoundTrainer& self) { return self.options.seed; },
          "The seed of the shuffle and the dropout masks.");
  py::reinterpret_borrow<py::class_<Network>>(module.attr("Network"))
      .def(py::init([](const BoundTrainer& trainer) { return trainer.trainer.network(); }),
           py::arg("trainer"), "The network that a trainer trains, sharing its parameters.");
}

}  // namespace descend::bindings
