// descend.Trainer over descend::Trainer.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/initialised.hpp"
#include "bindings/learning_rates.hpp"
#include "bindings/metrics.hpp"
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

constexpr const char* kFit = "Trainer.fit";

std::string type_name(py::handle value) {
  return py::type::of(value).attr("__name__").cast<std::string>();
}

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
                          py::handle label_smoothing, py::handle track_gradient_noise) {
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
  options.track_gradient_noise =
      flag_argument(kWhere, "track_gradient_noise", track_gradient_noise);
  return BoundTrainer(Trainer(network, loss, optimizer, options));
}

BoundTrainer load_trainer(py::handle path, py::handle threads, py::handle learning_rate) {
  const std::string file = path_argument(path);
  const int thread_count = threads_argument("Trainer.load", threads);
  std::optional<LearningRate> rate;
  if (!learning_rate.is_none()) {
    rate = learning_rate_argument("Trainer.load", "learning_rate", learning_rate);
  }
  const py::gil_scoped_release release;
  return BoundTrainer(Trainer::load(file, thread_count, rate));
}

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
  const py::gil_scoped_release release;
  self.trainer.save(file);
}

// A trainer of another network of the same shape, with the settings of `like` but for batch_size.
BoundTrainer trainer_like(const Network& network, const BoundTrainer& like, py::handle batch_size) {
  TrainerOptions options = like.options;
  options.batch_size = optional_count("Trainer", "batch_size", batch_size);
  return BoundTrainer(Trainer(network, like.loss, like.trainer.optimizer(), options));
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

py::dict report_dict(const EpochReport& report, const HeldMetrics& metrics) {
  py::dict result;
  result["epoch"] = report.epoch;
  result["loss"] = report.loss;
  result["validation_loss"] = report.validation_loss;
  result["noise_scale"] = report.noise_scale;
  result["metrics"] = metric_dict(metrics, report.metrics);
  result["validation_metrics"] = metric_dict(metrics, report.validation_metrics);
  result["learning_rate"] = report.learning_rate;
  result["rows"] = report.rows;
  result["steps"] = report.steps;
  result["seconds"] = report.seconds;
  return result;
}

py::dict report_dict(const StepReport& report) {
  py::dict result;
  result["step"] = report.step;
  result["epoch"] = report.epoch;
  result["loss"] = report.loss;
  result["learning_rate"] = report.learning_rate;
  result["rows"] = report.rows;
  result["seconds"] = report.seconds;
  return result;
}

py::dict history_dict(const History& history) {
  py::dict result;
  result["loss"] = history.loss;
  result["validation_loss"] = history.validation_loss;
  result["noise_scale"] = history.noise_scale;
  result["metrics"] = history.metrics;
  result["validation_metrics"] = history.validation_metrics;
  result["learning_rate"] = history.learning_rate;
  result["steps"] = history.steps;
  result["seconds"] = history.seconds;
  result["stop_reason"] = name(history.stop_reason);
  return result;
}

// What fit is asked for besides the rows or batches; the options hold references to all of it.
class FitCall {
 public:
  FitCall(const BoundTrainer& self, const py::dict& asked)
      : metrics_(metrics_argument(kFit, asked["metrics"])),
        on_begin_(asked["on_begin"]),
        on_epoch_(asked["on_epoch"]),
        on_step_(asked["on_step"]) {
    constexpr const char* kValidation = "Trainer.fit: validation_data";
    constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
    options.epochs = integer_argument(kFit, "epochs", asked["epochs"], 0, kMost);
    options.stop = stop_from(asked["stop"]);
    options.metrics = metrics_.metrics;
    if (!asked["validation_X"].is_none()) {
      validation_x_ = matrix_argument(kValidation, "X", "(rows, inputs)", asked["validation_X"]);
      validation_y_ = targets_argument(kValidation, self.loss, self.outputs, asked["validation_y"]);
      options.validation_inputs = validation_x_.view;
      options.validation_targets = validation_y_.view;
    }
    if (!on_begin_.is_none()) {
      options.on_begin = [this] {
        const py::gil_scoped_acquire acquire;
        on_begin_();
      };
    }
    if (!on_epoch_.is_none()) {
      options.on_epoch = [this](const EpochReport& report) {
        const py::gil_scoped_acquire acquire;
        return on_epoch_(report_dict(report, metrics_)).cast<bool>();
      };
    }
    if (!on_step_.is_none()) {
      options.every_n_steps =
          integer_argument(kFit, "every_n_steps", asked["every_n_steps"], 1, kMost);
      options.on_step = [this](const StepReport& report) {
        const py::gil_scoped_acquire acquire;
        return on_step_(report_dict(report)).cast<bool>();
      };
    }
    options.interrupted = signal_came;
  }
  FitCall(const FitCall&) = delete;
  FitCall& operator=(const FitCall&) = delete;

  py::dict result(const History& history) const {
    py::dict result = history_dict(history);
    result["metrics"] = metric_dict(metrics_, history.metrics);
    result["validation_metrics"] = metric_dict(metrics_, history.validation_metrics);
    return result;
  }

  FitOptions options;

 private:
  const HeldMetrics metrics_;
  Held<ConstMatrixView> validation_x_;
  Held<Targets> validation_y_;
  const py::object on_begin_, on_epoch_, on_step_;
};

py::dict fit(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle sample_weight,
             const py::dict& asked) {
  const auto x = matrix_argument(kFit, "X", "(rows, inputs)", inputs);
  const auto y = targets_argument(kFit, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kFit, sample_weight);
  FitCall call(self, asked);
  call.options.sample_weight = weights.view;
  return call.result(without_gil([&] { return self.trainer.fit(x.view, y.view, call.options); }));
}

// The batches that an iterator gives, (X, y) or (X, y, sample_weight); each lives until the next.
class PythonBatches {
 public:
  PythonBatches(const BoundTrainer& self, py::object begin)
      : self_(self), begin_(std::move(begin)) {}

  void begin() {
    const py::gil_scoped_acquire acquire;
    iterator_ = begin_();
    number_ = 0;
  }

  bool next(Batch& batch) {
    const py::gil_scoped_acquire acquire;
    const py::object item = py::reinterpret_steal<py::object>(PyIter_Next(iterator_.ptr()));
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (!item) return false;
    const std::string where = text(kFit, ": batch ", number_++);
    const bool is_pair = py::isinstance<py::tuple>(item) || py::isinstance<py::list>(item);
    const std::size_t parts = is_pair ? py::len(item) : 0;
    if (parts != 2 && parts != 3) {
      throw py::type_error(text(where, ": expected (X, y) or (X, y, sample_weight), got ",
                                is_pair ? text(parts, " elements") : type_name(item), "."));
    }
    const auto part = [&](std::size_t i) { return py::object(item[py::int_(i)]); };
    x_ = matrix_argument(where.c_str(), "X", "(rows, inputs)", part(0));
    y_ = targets_argument(where.c_str(), self_.loss, self_.outputs, part(1));
    weights_ = weights_argument(where.c_str(), parts == 3 ? part(2) : py::none());
    batch = {x_.view, y_.view, weights_.view};
    return true;
  }

 private:
  const BoundTrainer& self_;
  const py::object begin_;
  py::object iterator_;
  std::size_t number_ = 0;
  Held<ConstMatrixView> x_;
  Held<Targets> y_;
  Held<ConstVectorView> weights_;
};

py::dict fit_batches(BoundTrainer& self, py::object begin, const py::dict& asked) {
  PythonBatches batches(self, std::move(begin));
  FitCall call(self, asked);
  const BatchSource source = [&batches]() -> NextBatch {
    batches.begin();
    return [&batches](Batch& batch) { return batches.next(batch); };
  };
  return call.result(without_gil([&] { return self.trainer.fit(source, call.options); }));
}

py::object unfinished_run(const BoundTrainer& self) {
  const std::optional<History> history = self.trainer.unfinished_run();
  if (!history) return py::none();
  return history_dict(*history);
}

double run_epoch(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle order,
                 py::handle sample_weight, py::handle check_finite) {
  constexpr const char* kWhere = "Trainer.run_epoch";
  const auto x = matrix_argument(kWhere, "X", "(rows, inputs)", inputs);
  const auto y = targets_argument(kWhere, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  std::vector<std::size_t> indices;
  if (!order.is_none()) indices = order_argument(kWhere, order);
  const InputCheck check =
      flag_argument(kWhere, "check_finite", check_finite) ? InputCheck::finite : InputCheck::none;
  return without_gil([&] {
    return self.trainer.run_epoch(x.view, y.view, order.is_none() ? nullptr : &indices,
                                  weights.view, signal_came, check);
  });
}

double step(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle sample_weight) {
  constexpr const char* kWhere = "Trainer.step";
  const auto x = matrix_argument(kWhere, "X", "(rows, inputs)", inputs);
  const auto y = targets_argument(kWhere, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  return without_gil([&] { return self.trainer.step(x.view, y.view, weights.view, signal_came); });
}

py::dict evaluate(const BoundTrainer& self, py::handle inputs, py::handle targets,
                  py::handle metrics, py::handle sample_weight) {
  constexpr const char* kWhere = "Trainer.evaluate";
  const auto x = matrix_argument(kWhere, "X", "(rows, inputs)", inputs);
  const auto y = targets_argument(kWhere, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  const HeldMetrics held = metrics_argument(kWhere, metrics);
  const auto evaluation = without_gil([&] {
    return self.trainer.evaluate(x.view, y.view, held.metrics, weights.view, signal_came);
  });
  py::dict result;
  result["loss"] = evaluation.value().loss;
  result.attr("update")(metric_dict(held, evaluation->metrics));
  return result;
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
           py::arg("label_smoothing"), py::arg("track_gradient_noise"))
      .def(py::init(&trainer_like), py::arg("network"), py::arg("like"), py::arg("batch_size"))
      .def(py::init(&load_trainer), py::arg("path"), py::arg("threads"), py::arg("learning_rate"),
           "The trainer in a file.")
      .def("_fit", &fit, py::arg("X"), py::arg("y"), py::arg("sample_weight"), py::arg("asked"))
      .def("_fit_batches", &fit_batches, py::arg("begin"), py::arg("asked"))
      .def("run_epoch", &run_epoch, py::arg("X"), py::arg("y"), py::arg("order") = py::none(),
           py::arg("sample_weight") = py::none(), py::kw_only(), py::arg("check_finite") = true,
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
check_finite : bool
    Read ``X`` before the epoch and refuse NaN and infinity. ``False`` saves that pass in a loop
    over the same ``X``; what it misses is a ``FloatingPointError`` at its step.

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
      .def("evaluate", &evaluate, py::arg("X"), py::arg("y"), py::arg("metrics") = py::none(),
           py::arg("sample_weight") = py::none(),
           R"doc(Measure the network on some rows, in one pass over them; nothing changes.

Parameters
----------
X : array_like of shape (rows, inputs)
    As for ``fit``.
y : array_like
    Class indices of shape (rows,), or targets of shape (rows, outputs).
metrics : list of str or callable, optional
    As for ``fit``.
sample_weight : array_like of shape (rows,), optional

Returns
-------
dict
    ``"loss"``, the mean loss without a penalty, and each metric under its name. The outputs are those
    of ``network.predict``: dropout is off. Metrics need room for the outputs of all rows.

Raises
------
ValueError, TypeError
    If the arrays do not fit, or a metric does not go with the loss.
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
      .def("_save", &save, py::arg("path"), py::arg("extra_text") = py::none(),
           py::arg("extra_arrays") = py::dict())
      .def("_extra", &extra)
      .def("_end_run", [](BoundTrainer& self) { self.trainer.end_run(); })
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
          "track_gradient_noise",
          [](const BoundTrainer& self) { return self.options.track_gradient_noise; },
          "Whether ``fit`` records the noise scale of the gradient.")
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
      .def(
          "_set_averaged_parameters",
          [](BoundTrainer& self, py::handle parameters) {
            constexpr const char* kWhere = "Trainer.set_averaged_parameters";
            self.trainer.set_averaged_parameters(
                vector_argument(kWhere, "parameters", parameters).view);
          },
          py::arg("parameters"))
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
