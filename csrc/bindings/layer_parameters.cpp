#include "bindings/layer_parameters.hpp"

#include <string>
#include <utility>

#include "bindings/arrays.hpp"
#include "core/checks.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

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

}  // namespace

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

}  // namespace descend::bindings
