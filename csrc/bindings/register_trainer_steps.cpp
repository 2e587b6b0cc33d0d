// What a trainer does one call at a time: an epoch, a step, an evaluation.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/bound_trainer.hpp"
#include "bindings/inputs.hpp"
#include "bindings/interrupts.hpp"
#include "bindings/metrics.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

double run_epoch(BoundTrainer& self, py::handle inputs, py::handle targets, py::handle order,
                 py::handle sample_weight, py::handle check_finite) {
  constexpr const char* kWhere = "Trainer.run_epoch";
  const auto x = inputs_argument(kWhere, inputs);
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
  const auto x = inputs_argument(kWhere, inputs);
  const auto y = targets_argument(kWhere, self.loss, self.outputs, targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  return without_gil([&] { return self.trainer.step(x.view, y.view, weights.view, signal_came); });
}

py::dict evaluate(const BoundTrainer& self, py::handle inputs, py::handle targets,
                  py::handle metrics, py::handle sample_weight) {
  constexpr const char* kWhere = "Trainer.evaluate";
  const auto x = inputs_argument(kWhere, inputs);
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

}  // namespace

void define_steps(TrainerClass& trainer) {
  trainer
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
      .def_property_readonly("last_steps", &last_steps,
                             R"doc(What the steps of the last ``run_epoch`` or ``step`` gave.

An ndarray of shape (steps, 3), each before its update: the mean loss of the minibatch's rows,
the penalty beside it, and the rows' sum of weights.
)doc");
}

}  // namespace descend::bindings
