// Trainer.fit: the arguments, callbacks and batches of a run, and its history.
#include <pybind11/stl.h>

#include <limits>
#include <string>
#include <utility>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/bound_trainer.hpp"
#include "bindings/gil.hpp"
#include "bindings/inputs.hpp"
#include "bindings/interrupts.hpp"
#include "bindings/metrics.hpp"
#include "core/checks.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::text;

constexpr const char* kFit = "Trainer.fit";

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
      validation_x_ = inputs_argument(kValidation, asked["validation_X"]);
      validation_y_ = targets_argument(kValidation, self.loss, self.outputs, asked["validation_y"]);
      options.validation_inputs = validation_x_.view;
      options.validation_targets = validation_y_.view;
    }
    if (!on_begin_.is_none()) {
      options.on_begin = [this] {
        const GilHeld acquire;
        on_begin_();
      };
    }
    if (!on_epoch_.is_none()) {
      options.on_epoch = [this](const EpochReport& report) {
        const GilHeld acquire;
        return on_epoch_(report_dict(report, metrics_)).cast<bool>();
      };
    }
    if (!on_step_.is_none()) {
      options.every_n_steps =
          integer_argument(kFit, "every_n_steps", asked["every_n_steps"], 1, kMost);
      options.on_step = [this](const StepReport& report) {
        const GilHeld acquire;
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
  Held<InputView> validation_x_;
  Held<Targets> validation_y_;
  const py::object on_begin_, on_epoch_, on_step_;
};

py::dict fit(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle sample_weight,
             const py::dict& asked) {
  const auto x = inputs_argument(kFit, inputs);
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
    const GilHeld acquire;
    iterator_ = begin_();
    number_ = 0;
  }

  bool next(Batch& batch) {
    const GilHeld acquire;
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
    x_ = inputs_argument(where.c_str(), part(0));
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
  Held<InputView> x_;
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

}  // namespace

void define_fit(TrainerClass& trainer) {
  trainer.def("_fit", &fit, py::arg("X"), py::arg("y"), py::arg("sample_weight"), py::arg("asked"))
      .def("_fit_batches", &fit_batches, py::arg("begin"), py::arg("asked"))
      .def("_end_run", [](BoundTrainer& self) { self.trainer.end_run(); })
      .def(
          "discard_run", [](BoundTrainer& self) { self.trainer.discard_run(); },
          R"doc(Give up the unfinished run of a loaded trainer.

The next ``fit`` begins a run of its own with a new epoch. Parameters and optimizer stay as they
are; without an unfinished run nothing changes.
)doc")
      .def_property_readonly("_unfinished_run", &unfinished_run);
}

}  // namespace descend::bindings
