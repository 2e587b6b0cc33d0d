// descend.Network over descend::Network.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <limits>
#include <optional>
#include <utility>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/initialised.hpp"
#include "bindings/inputs.hpp"
#include "bindings/interrupts.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"
#include "descend/network.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

constexpr std::uint64_t kAnySize = std::numeric_limits<std::size_t>::max();
constexpr std::uint64_t kAnySeed = std::numeric_limits<std::uint64_t>::max();

Dense dense_from(py::handle layer, std::size_t place) {
  const auto parts = layer.cast<py::tuple>();
  const std::string where = text("Network: Dense layer ", place);
  Dense dense;
  dense.units = integer_argument(where.c_str(), "units", parts[0], 1, kAnySize);
  const std::string activation = name_argument(where.c_str(), "activation", parts[1]);
  dense.activation = prefixed(where.c_str(), [&] { return parse_activation(activation); });
  dense.dropout = number_argument(where.c_str(), "dropout", parts[2]);
  return dense;
}

// [(weights (inputs, units), bias (units,)), ...] over one flat array in canonical order.
py::list layer_arrays(const std::vector<LayerShape>& shapes, const py::array& flat) {
  const auto part = [&](std::size_t offset, std::vector<py::ssize_t> shape) {
    const char* start =
        static_cast<const char*>(flat.data()) + static_cast<py::ssize_t>(offset) * flat.itemsize();
    return py::array(flat.dtype(), std::move(shape), start, flat);
  };
  py::list layers;
  for (const LayerShape& shape : shapes) {
    const auto inputs = static_cast<py::ssize_t>(shape.inputs);
    const auto units = static_cast<py::ssize_t>(shape.units);
    layers.append(py::make_tuple(part(shape.weights_offset, {inputs, units}),
                                 part(shape.bias_offset, {units})));
  }
  return layers;
}

// Copies one array of a parameter list into `target`, a part of the flat array.
void place_parameters(const char* where, const std::string& what, py::handle value,
                      const py::object& target) {
  const py::array given = real_array(where, what.c_str(), value);
  if (!given.attr("shape").equal(target.attr("shape"))) {
    throw invalid(where, ": ", what, " has shape ",
                  py::str(given.attr("shape")).cast<std::string>(), ", but the network's is ",
                  py::str(target.attr("shape")).cast<std::string>(), ".");
  }
  const py::module_ numpy = py::module_::import("numpy");
  if (!numpy.attr("isfinite")(given).attr("all")().cast<bool>()) {
    throw invalid(where, ": ", what, " has NaN or infinity, expected finite numbers.");
  }
  if (!given.dtype().equal(target.attr("dtype"))) {
    const py::object largest = numpy.attr("finfo")(target.attr("dtype")).attr("max");
    if (!numpy.attr("abs")(given).attr("__le__")(largest).attr("all")().cast<bool>()) {
      throw invalid(where, ": ", what, " has values beyond the range of ",
                    py::str(target.attr("dtype")).cast<std::string>(), ".");
    }
  }
  target[py::ellipsis()] = given;
}

// What is iterated over; TypeError where nothing is.
py::list items(const char* where, py::handle given) {
  if (PyObject* const list = PySequence_List(given.ptr())) {
    return py::reinterpret_steal<py::list>(list);
  }
  if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
  PyErr_Clear();
  throw py::type_error(text(where, ": parameters must be a list of pairs (weights, bias), got ",
                            py::repr(given).cast<std::string>(), "."));
}

// A parameter list as one flat array of `dtype`.
py::array flat_parameters(const char* where, const std::vector<LayerShape>& shapes, DType dtype,
                          py::handle given) {
  const py::list layers = items(where, given);
  const LayerShape& last = shapes.back();
  py::array flat = new_array(dtype, {static_cast<py::ssize_t>(last.bias_offset + last.units)});
  if (layers.size() != shapes.size()) {
    throw invalid(where, ": got parameters of ", layers.size(), " layers, but the network has ",
                  shapes.size(), ".");
  }
  const py::list targets = layer_arrays(shapes, flat);
  for (std::size_t l = 0; l < targets.size(); ++l) {
    const py::object layer = layers[l];
    if (!py::isinstance<py::sequence>(layer) || py::len(layer) != 2) {
      throw invalid(where, ": layer ", l, " is not a pair (weights, bias).");
    }
    const auto pair = targets[l].cast<py::tuple>();
    place_parameters(where, text("the weights of layer ", l), layer[py::int_(0)], pair[0]);
    place_parameters(where, text("the bias of layer ", l), layer[py::int_(1)], pair[1]);
  }
  return flat;
}

Network make_network(py::handle inputs, const py::sequence& layers, py::handle init,
                     py::handle seed, py::handle dtype, py::handle input_dropout,
                     py::handle parameters) {
  constexpr const char* kWhere = "Network";
  NetworkSpec spec;
  spec.inputs = integer_argument(kWhere, "inputs", inputs, 1, kAnySize);
  for (std::size_t l = 0; l < layers.size(); ++l) spec.layers.push_back(dense_from(layers[l], l));
  const std::string init_name = name_argument(kWhere, "init", init);
  spec.init = prefixed(kWhere, [&] { return parse_initializer(init_name); });
  spec.dtype = dtype_argument(kWhere, dtype);
  spec.input_dropout = number_argument(kWhere, "input dropout", input_dropout);
  const std::uint64_t seed_value = integer_argument(kWhere, "seed", seed, 0, kAnySeed);
  try {
    if (!parameters.is_none() && !spec.layers.empty()) {
      const py::array flat = flat_parameters(kWhere, layer_shapes(spec), spec.dtype, parameters);
      const ConstVectorView view(flat.data(), spec.dtype, static_cast<std::size_t>(flat.size()));
      const GilReleased release;
      return Network(spec, view, seed_value);
    }
    const GilReleased release;
    return Network(spec, seed_value);
  } catch (const std::bad_alloc&) {
    py::set_error(PyExc_MemoryError,
                  "Network: there is not enough memory for parameters of these sizes; use fewer "
                  "units or the dtype float32.");
    throw py::error_already_set();
  }
}

py::array flat_array(const Network& network) {
  return new_array(network.spec().dtype, {static_cast<py::ssize_t>(network.parameter_count())});
}

VectorView view_of(const Network& network, py::array& flat) {
  return {flat.mutable_data(), network.spec().dtype, network.parameter_count()};
}

py::array predict(const Network& network, py::handle inputs, py::handle threads) {
  constexpr const char* kWhere = "Network.predict";
  const auto x = inputs_argument(kWhere, inputs);
  const int thread_count = threads_argument(kWhere, threads);
  const DType dtype = network.spec().dtype;
  py::array outputs = new_array(dtype, {static_cast<py::ssize_t>(x.view.rows()),
                                        static_cast<py::ssize_t>(network.outputs())});
  const MatrixView view(outputs.mutable_data(), dtype, x.view.rows(), network.outputs());
  until_not_interrupted(
      [&](const auto& interrupted) { network.predict(x.view, view, thread_count, interrupted); });
  return outputs;
}

py::tuple loss_and_gradient(const Network& network, py::handle inputs, py::handle targets,
                            py::handle loss_value, py::handle sample_weight, py::handle threads) {
  constexpr const char* kWhere = "Network.loss_and_gradient";
  const std::string loss_name = name_argument(kWhere, "loss", loss_value);
  const Loss loss = prefixed(kWhere, [&] { return parse_loss(loss_name); });
  const auto x = inputs_argument(kWhere, inputs);
  const auto y = targets_argument(kWhere, loss, network.outputs(), targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  const int thread_count = threads_argument(kWhere, threads);
  py::array gradient = flat_array(network);
  const VectorView gradient_view = view_of(network, gradient);
  double value = 0.0;
  until_not_interrupted([&](const auto& interrupted) {
    value = network.loss_and_gradient(x.view, y.view, loss, gradient_view, weights.view,
                                      thread_count, interrupted);
  });
  return py::make_tuple(value, layer_arrays(network.layer_shapes(), gradient));
}

py::list parameters(const Network& network) {
  py::array flat = flat_array(network);
  const VectorView view = view_of(network, flat);
  {
    const GilReleased release;
    network.get_parameters(view);
  }
  return layer_arrays(network.layer_shapes(), flat);
}

void set_parameters(Network& network, py::handle layers) {
  const py::array flat = flat_parameters("Network.set_parameters", network.layer_shapes(),
                                         network.spec().dtype, layers);
  const ConstVectorView view(flat.data(), network.spec().dtype, network.parameter_count());
  const GilReleased release;
  network.set_parameters(view);
}

py::list layer_tuples(const Network& network) {
  py::list layers;
  for (const Dense& layer : network.spec().layers) {
    layers.append(py::make_tuple(layer.units, name(layer.activation), layer.dropout));
  }
  return layers;
}

}  // namespace

void register_network(py::module_& module) {
  py::class_<Network>(module, "Network",
                      "A feed-forward network of dense layers and its parameters.")
      .def(py::init(&make_network), py::arg("inputs"), py::arg("layers"), py::arg("init"),
           py::arg("seed"), py::arg("dtype"), py::arg("input_dropout"), py::arg("parameters"))
      // Copying waits for a training step to end, which may wait for the GIL.
      .def(py::init<const Network&>(), py::arg("other"), py::call_guard<GilReleased>(),
           "A copy, parameters included.")
      .def_property_readonly("inputs", &Network::inputs, "Columns of X.")
      .def_property_readonly("outputs", &Network::outputs, "Units of the last layer.")
      .def_property_readonly(
          "dtype", [](const Network& network) { return name(network.spec().dtype); },
          "'float32' or 'float64'.")
      .def_property_readonly("seed", &Network::seed, "The seed of the initial weights.")
      .def_property_readonly(
          "init", [](const Network& network) { return name(network.spec().init); },
          "The initialiser's name.")
      .def_property_readonly(
          "input_dropout", [](const Network& network) { return network.spec().input_dropout; },
          "Fraction of the inputs dropped while training.")
      .def_property_readonly("_layers", &layer_tuples)
      .def_property_readonly("parameter_count", &Network::parameter_count,
                             "Weights and biases together.")
      .def("predict", &predict, py::arg("X"), py::arg("threads") = py::none(),
           R"doc(Compute the network's outputs for each row of ``X``; dropout is off.

Parameters
----------
X : array_like or sparse matrix of shape (rows, inputs)
    Real, finite numbers of any type, or a data frame of them; never modified. Contiguous rows are
    read where they stand, and converted to the network's dtype as they are needed; others are
    copied once. Rows of a sparse matrix are made dense as they are needed, as for ``Trainer.fit``.
threads : int, optional
    How many threads to use; by default as many as the work is worth. No bit depends on it.

Returns
-------
ndarray of shape (rows, outputs)
    The last layer's raw outputs, of the network's dtype.

Raises
------
ValueError
    If ``X`` has another number of columns, no rows, or a value that is not finite.
TypeError
    If ``X`` is not of real numbers.
)doc")
      .def("loss_and_gradient", &loss_and_gradient, py::arg("X"), py::arg("y"), py::arg("loss"),
           py::arg("sample_weight") = py::none(), py::arg("threads") = py::none(),
           R"doc(Compute the training loss and its gradient by backpropagation; dropout is off.

Parameters
----------
X : array_like of shape (rows, inputs)
    As for ``predict``.
y : array_like
    Class indices of shape (rows,), or targets of shape (rows, outputs).
loss : str
    One of ``descend.losses()``.
sample_weight : array_like of shape (rows,), optional
    Finite, at least 0, not all 0.
threads : int, optional
    How many threads to use; by default as many as make it fastest, which is measured while it
    works, over one call after the other. No bit depends on it.

Returns
-------
J : float
    ``sum_i w_i L_i / sum_i w_i`` over all rows.
gradient : list of (ndarray of shape (inputs, units), ndarray of shape (units,))
    The gradient of J with respect to each layer's weights and bias.

Raises
------
ValueError, TypeError
    If the arrays do not fit the network or the loss.
)doc")
      .def("parameters", &parameters,
           R"doc(Copy the parameters.

Returns
-------
list of (ndarray of shape (inputs, units), ndarray of shape (units,))
    Weights and bias of each layer, of the network's dtype.
)doc")
      .def("set_parameters", &set_parameters, py::arg("parameters"),
           R"doc(Replace all parameters.

Parameters
----------
parameters : sequence of (weights, bias)
    As ``parameters()`` gives them: real, finite arrays of the same shapes.

Raises
------
ValueError, TypeError
    If shapes differ or a value is not finite; the parameters stay as they were then.
)doc")
      .def(
          "save",
          [](const Network& network, py::handle path) {
            const std::string file = path_argument(path);
            const GilReleased release;
            network.save(file);
          },
          py::arg("path"),
          R"doc(Write spec and parameters to a safetensors file, replacing it atomically.

Raises
------
OSError
    If the file cannot be written; an earlier file stays as it was.
)doc")
      .def(
          "load_parameters",
          [](Network& network, py::handle path) {
            const std::string file = path_argument(path);
            const GilReleased release;
            network.load_parameters(file);
          },
          py::arg("path"),
          R"doc(Read the parameters of a file whose layers and dtype are this network's.

Raises
------
OSError
    If the file cannot be read.
ValueError
    If it is damaged, or of another architecture or dtype; the parameters stay as they were.
)doc")
      .def_static(
          "_load",
          [](py::handle path) {
            const std::string file = path_argument(path);
            const GilReleased release;
            return Network::load(file);
          },
          py::arg("path"));
}

}  // namespace descend::bindings
