// descend.gradient_noise over descend::gradient_noise.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <limits>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/class_weights.hpp"
#include "bindings/initialised.hpp"
#include "bindings/inputs.hpp"
#include "bindings/interrupts.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"
#include "descend/gradient_noise.hpp"

namespace py = pybind11;

namespace pybind11::detail {
template <>
struct type_caster<descend::NoiseEstimate>
    : descend::bindings::InitialisedCaster<descend::NoiseEstimate> {};
template <>
struct type_caster<descend::GradientNoise>
    : descend::bindings::InitialisedCaster<descend::GradientNoise> {};
}  // namespace pybind11::detail

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

constexpr std::uint64_t kAnySize = std::numeric_limits<std::size_t>::max();

GradientNoise measure(py::handle network, py::handle inputs, py::handle targets,
                      py::handle loss_value, py::handle sample_weight, py::handle order,
                      py::handle threads, py::handle class_weight, py::handle label_smoothing) {
  constexpr const char* kWhere = "gradient_noise";
  if (!py::isinstance<Network>(network)) {
    throw py::type_error(text(kWhere, ": network must be a descend.Network, got ",
                              py::repr(network).cast<std::string>(), "."));
  }
  const auto& core_network = network.cast<const Network&>();
  const std::string loss_name = name_argument(kWhere, "loss", loss_value);
  const Loss loss = prefixed(kWhere, [&] { return parse_loss(loss_name); });
  const auto x = inputs_argument(kWhere, inputs);
  const auto y = targets_argument(kWhere, loss, core_network.outputs(), targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  std::vector<std::size_t> indices;
  if (!order.is_none()) indices = order_argument(kWhere, order);
  GradientNoiseOptions options;
  options.sample_weight = weights.view;
  options.order = order.is_none() ? nullptr : &indices;
  options.threads = threads_argument(kWhere, threads);
  options.class_weight = class_weight_argument(kWhere, class_weight, loss, core_network.outputs());
  options.label_smoothing = number_argument(kWhere, "label_smoothing", label_smoothing);
  GradientNoise noise;
  until_not_interrupted([&](const auto& interrupted) {
    options.interrupted = interrupted;
    noise = gradient_noise(core_network, x.view, y.view, loss, options);
  });
  return noise;
}

std::size_t rows_argument(const char* where, py::handle batch_size) {
  return integer_argument(where, "batch_size", batch_size, 1, kAnySize);
}

std::size_t population_argument(const char* where, py::handle population) {
  if (population.is_none()) return 0;
  return integer_argument(where, "population", population, 1, kAnySize);
}

double standard_error(const NoiseEstimate& self, py::handle batch_size, py::handle population) {
  constexpr const char* kWhere = "GradientNoise.standard_error";
  return self.standard_error(rows_argument(kWhere, batch_size),
                             population_argument(kWhere, population));
}

double relative_standard_error(const NoiseEstimate& self, py::handle batch_size,
                               py::handle population) {
  constexpr const char* kWhere = "GradientNoise.relative_standard_error";
  return self.relative_standard_error(rows_argument(kWhere, batch_size),
                                      population_argument(kWhere, population));
}

py::tuple confidence_interval(const NoiseEstimate& self, py::handle of, py::handle level_value) {
  constexpr const char* kWhere = "GradientNoise.confidence_interval";
  const std::string figure = name_argument(kWhere, "of", of);
  const double level = number_argument(kWhere, "level", level_value);
  Interval interval{};
  if (figure == "noise_scale") {
    interval = self.noise_scale_interval(level);
  } else if (figure == "variance") {
    interval = self.variance_interval(level);
  } else if (figure == "squared_norm") {
    interval = self.squared_norm_interval(level);
  } else {
    throw invalid(kWhere, ": unknown figure '", figure,
                  "'; known figures: noise_scale, variance, squared_norm.");
  }
  return py::make_tuple(interval.low, interval.high);
}

// The members of an estimate, for pickling.
py::tuple parts_of(const NoiseEstimate& self) {
  return py::make_tuple(self.variance, self.squared_norm, self.variance_error,
                        self.squared_norm_error, self.error_covariance, self.degrees_of_freedom);
}

NoiseEstimate estimate_from(const py::tuple& parts) {
  return {parts[0].cast<double>(), parts[1].cast<double>(), parts[2].cast<double>(),
          parts[3].cast<double>(), parts[4].cast<double>(), parts[5].cast<int>()};
}

GradientNoise noise_from(const py::tuple& parts) {
  GradientNoise noise{};
  static_cast<NoiseEstimate&>(noise) = estimate_from(parts[0].cast<py::tuple>());
  noise.rows = parts[1].cast<std::size_t>();
  noise.loss = parts[2].cast<double>();
  noise.layers = parts[3].cast<std::vector<NoiseEstimate>>();
  return noise;
}

std::string figures(const NoiseEstimate& self) {
  return py::str("variance={:.6g}, squared_norm={:.6g}, noise_scale={:.6g}")
      .format(self.variance, self.squared_norm, self.noise_scale())
      .cast<std::string>();
}

}  // namespace

void register_gradient_noise(py::module_& module) {
  py::class_<NoiseEstimate>(module, "NoiseEstimate",
                            R"doc(How noisy a gradient is, of all parameters or of one layer's.

Made by ``gradient_noise``. The rows measured count as a sample of all that there could be.
)doc")
      .def_readonly("variance", &NoiseEstimate::variance,
                    "tr Sigma: the total variance of one row's gradient, unbiased.")
      .def_readonly("squared_norm", &NoiseEstimate::squared_norm,
                    "|G|^2, unbiased: from few rows it may come out negative.")
      .def_property_readonly(
          "noise_scale", &NoiseEstimate::noise_scale,
          R"doc(tr Sigma / |G|^2, the simple noise scale (McCandlish et al. 2018).

The batch size at which the noise of the gradient is as large as the gradient; infinite where
``squared_norm`` is not above 0: the rows do not show a gradient.
)doc")
      .def("standard_error", &standard_error, py::arg("batch_size"),
           py::arg("population") = py::none(),
           R"doc(The standard error of a minibatch's gradient, sigma / sqrt(N').

Parameters
----------
batch_size : int
    Rows of the minibatch, N'.
population : int, optional
    The rows from which it is drawn without replacement, as in an epoch: the error is then smaller
    by sqrt(1 - batch_size / population). By default every row is drawn from all that could be.

Returns
-------
float
    sqrt(tr Sigma / batch_size): the root of the mean of |G_B - G|^2 over minibatches. With
    weights of rows it counts a minibatch's gradient as the mean of its rows' weighted ones; a
    training step divides by the minibatch's own sum of weights, which differs by a part of
    1 / noise_scale.

Raises
------
ValueError
    If ``batch_size`` is below 1 or above ``population``.
)doc")
      .def("relative_standard_error", &relative_standard_error, py::arg("batch_size"),
           py::arg("population") = py::none(),
           "``standard_error`` over |G|; infinite where ``squared_norm`` is not above 0.")
      .def("confidence_interval", &confidence_interval, py::arg("of") = "noise_scale",
           py::arg("level") = 0.95,
           R"doc(An interval that covers the true figure with the probability ``level``.

From a jackknife that leaves out one group of rows at a time. From fewer than 4 rows it is
everything.

Parameters
----------
of : {"noise_scale", "variance", "squared_norm"}
level : float
    Between 0 and 1.

Returns
-------
(low, high) : tuple of float
    ``high`` is infinite for a noise scale where |G|^2 may be 0 (Fieller 1954); ``low`` may be
    negative for ``squared_norm``.

Raises
------
ValueError
    If ``of`` or ``level`` is none of these.
)doc")
      .def(py::pickle(&parts_of, &estimate_from))
      .def("__repr__",
           [](const NoiseEstimate& self) { return text("NoiseEstimate(", figures(self), ")"); });

  py::class_<GradientNoise, NoiseEstimate>(module, "GradientNoise",
                                           "How noisy the gradient of a data set is.")
      .def_readonly("rows", &GradientNoise::rows, "Rows measured.")
      .def_readonly("loss", &GradientNoise::loss, "J over them.")
      .def_property_readonly(
          "layers", [](const GradientNoise& self) { return py::tuple(py::cast(self.layers)); },
          "A `NoiseEstimate` of each dense layer's weights and bias alone.")
      .def(py::pickle(
          [](const GradientNoise& self) {
            return py::make_tuple(parts_of(self), self.rows, self.loss, self.layers);
          },
          &noise_from))
      .def("__repr__", [](const GradientNoise& self) {
        return text("GradientNoise(", figures(self), ", rows=", self.rows, ")");
      });

  module.def("gradient_noise", &measure, py::arg("network"), py::arg("X"), py::arg("y"),
             py::arg("loss"), py::arg("sample_weight") = py::none(), py::arg("order") = py::none(),
             py::arg("threads") = py::none(), py::kw_only(), py::arg("class_weight") = py::none(),
             py::arg("label_smoothing") = 0.0,
             R"doc(Measure how much one row's gradient differs from the gradient of all rows.

Every row's |g_i|^2 comes from backpropagation itself, as a sum over layers of
|d_z_i|^2 (|x_i|^2 + 1) with the layer's inputs x (Goodfellow 2015, arXiv:1510.01799); no row's
gradient is formed, and it takes 1.1 to 1.3 times as long as ``loss_and_gradient``. Dropout is off, and a
penalty in the loss has no noise. The gradients of 8 to 16 groups of rows are held for the
intervals, of fewer, but 4, where they would take more than 256 MiB.

Parameters
----------
network : Network
X : array_like of shape (rows, inputs)
    As for ``Network.predict``.
y : array_like
    Class indices of shape (rows,), or targets of shape (rows, outputs).
loss : str
    One of ``descend.losses()``.
sample_weight : array_like of shape (rows,), optional
    Finite, at least 0, not all 0. A row's gradient is then g_i = w_i / mean(w) dL_i / d theta,
    whose mean over the rows is the gradient G of J = sum_i w_i L_i / sum_i w_i.
order : array_like of int, optional
    The rows to measure, by their indices; all of them by default.
threads : int, optional
    How many threads to use; by default as many as the work is worth. The result is the same, bit
    for bit.
class_weight : "balanced", dict or sequence of float, optional
    As for ``Trainer``: multiplies the weight of each row by that of its class. ``"balanced"`` counts
    the classes of all rows of ``y``, whatever ``order`` picks.
label_smoothing : float
    As for ``Trainer``, in [0, 1).

Returns
-------
GradientNoise

Raises
------
ValueError, TypeError
    If the arrays or options do not fit the network or the loss, or fewer than two rows are given.
FloatingPointError
    If a row's loss or gradient is not finite.

Examples
--------
>>> import numpy as np
>>> from descend import Network, gradient_noise
>>> rng = np.random.default_rng(0)
>>> X = rng.normal(size=(500, 3))
>>> noise = gradient_noise(Network.mlp([3, 8, 1]), X, X.sum(axis=1), loss="squared_error")
>>> noise.standard_error(4) / noise.standard_error(64)
4.0
)doc");
}

}  // namespace descend::bindings
