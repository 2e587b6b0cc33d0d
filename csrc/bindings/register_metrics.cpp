// descend.metrics, descend.metric, and metrics as arguments.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/interrupts.hpp"
#include "bindings/metrics.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"
#include "descend/metric.hpp"
#include "descend/ops.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::text;

py::dtype numpy_type(ElementType type) {
  return py::dtype(type == ElementType::boolean ? "bool" : name(type));
}

// Copies, which the caller may keep.
py::array copied(const ConstMatrixView& matrix) {
  const auto size = static_cast<py::ssize_t>(element_size(matrix.element_type()));
  return py::array(
      numpy_type(matrix.element_type()),
      {static_cast<py::ssize_t>(matrix.rows()), static_cast<py::ssize_t>(matrix.columns())},
      {static_cast<py::ssize_t>(matrix.row_stride()) * size, size}, matrix.data());
}

py::array copied(const Targets& targets) {
  if (!targets.are_labels()) return copied(targets.values());
  const LabelView& labels = targets.labels();
  return py::array(numpy_type(labels.element_type()), static_cast<py::ssize_t>(labels.size()),
                   labels.data());
}

std::string name_of_callable(py::handle function) {
  const py::object given = py::getattr(function, "__name__", py::none());
  const py::object name =
      py::isinstance<py::str>(given) ? given : py::type::of(function).attr("__name__");
  return name.cast<std::string>();
}

CustomMetric custom_metric(const std::string& where, py::handle function) {
  const std::string name = name_of_callable(function);
  return {name, [where, name, function](ConstMatrixView outputs, const Targets& targets) {
            const GilHeld acquire;
            const py::object value = function(copied(outputs), copied(targets));
            const std::string what = text("what the metric ", name, " returns");
            return number_argument(where.c_str(), what.c_str(), value);
          }};
}

double metric(py::handle metric_value, py::handle outputs, py::handle targets,
              py::handle sample_weight, py::handle loss_value) {
  constexpr const char* kWhere = "metric";
  const std::string metric_name = name_argument(kWhere, "name", metric_value);
  const Metric which = prefixed(kWhere, [&] { return parse_metric(metric_name); });
  const auto f = matrix_argument(kWhere, "outputs", "(rows, outputs)", outputs);
  Loss loss = assumed_loss(which, f.view.columns());
  if (!loss_value.is_none()) {
    const std::string loss_name = name_argument(kWhere, "loss", loss_value);
    loss = prefixed(kWhere, [&] { return parse_loss(loss_name); });
  }
  const auto y = targets_argument(kWhere, loss, f.view.columns(), targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  double value = 0.0;
  until_not_interrupted([&](const std::function<bool()>& interrupted) {
    value = ops::metric(which, loss, f.view, y.view, weights.view, interrupted);
  });
  return value;
}

}  // namespace

HeldMetrics metrics_argument(const char* where, py::handle value) {
  HeldMetrics held;
  if (value.is_none()) return held;
  if (!py::isinstance<py::list>(value) && !py::isinstance<py::tuple>(value)) {
    throw py::type_error(text(where, ": metrics must be a list of names and callables, got ",
                              py::repr(value).cast<std::string>(), "."));
  }
  held.owner = py::tuple(py::reinterpret_borrow<py::object>(value));
  for (const py::handle metric : held.owner) {
    if (py::isinstance<py::str>(metric)) {
      const std::string metric_name = name_argument(where, "a metric", metric);
      const Metric known = prefixed(where, [&] { return parse_metric(metric_name); });
      held.metrics.emplace_back(known);
      held.names.push_back(metric_name);
    } else if (PyCallable_Check(metric.ptr()) != 0) {
      held.names.push_back(name_of_callable(metric));
      held.metrics.emplace_back(custom_metric(where, metric));
    } else {
      throw py::type_error(text(where, ": a metric must be a name or a callable, got ",
                                py::repr(metric).cast<std::string>(), "."));
    }
  }
  return held;
}

void register_metrics(py::module_& module) {
  module.def("metrics", &metric_names,
             R"doc(Names of the metrics; the k in ``top_k_accuracy`` stands for a number.)doc");
  module.def("metric", &metric, py::arg("name"), py::arg("outputs"), py::arg("targets"),
             py::arg("sample_weight") = py::none(), py::kw_only(), py::arg("loss") = py::none(),
             R"doc(Compute one metric from a network's raw outputs.

Metrics of classes are ``accuracy``, ``balanced_accuracy``, ``precision``, ``recall``, ``f1``,
``roc_auc`` and ``top_3_accuracy`` (with any number). With ``softmax_cross_entropy`` a row is
decided for the class of its largest output; precision, recall, f1 and roc_auc are means over the
classes. With ``sigmoid_cross_entropy`` each output is decided for yes where it is above 0, and a
metric is that of yes; of several outputs it is the mean of theirs.

Metrics of values are ``mean_absolute_error``, ``mean_squared_error``, ``root_mean_squared_error``
and ``r2``: of the predicted mean, which is ``exp(outputs)`` with ``poisson``, the probabilities with
the two losses above, and else the outputs; means over the outputs.

All agree with scikit-learn's functions; see ``descend/metric.hpp`` for formulas, ties and classes
that no row is of.

Parameters
----------
name : str
    One of ``descend.metrics()``, a number in the place of k.
outputs : array_like of shape (rows, outputs)
    As ``Network.predict`` gives them.
targets : array_like
    What the loss takes: class indices of shape (rows,), or targets of shape (rows, outputs).
sample_weight : array_like of shape (rows,), optional
    Finite, at least 0, not all 0.
loss : str, optional
    The loss that the network was trained by. By default, for metrics of classes,
    ``softmax_cross_entropy``, or ``sigmoid_cross_entropy`` where there is one output; for metrics of
    values ``squared_error``.

Returns
-------
float
    Summed in double precision; NaN where an output is NaN or the metric is not defined, such as
    roc_auc where all rows are of one class.

Raises
------
ValueError, TypeError
    If the arrays do not fit each other, the loss or the metric.
)doc");
}

}  // namespace descend::bindings
