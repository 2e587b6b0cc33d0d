// descend.ops: the stateless operations.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"
#include "descend/ops.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::text;

using HeldMatrix = Held<ConstMatrixView>;
using HeldVector = Held<ConstVectorView>;

void convert(const char* where, const char* what, HeldMatrix& matrix, DType dtype) {
  if (matrix.view.element_type() == element_type(dtype)) return;
  matrix =
      matrix_argument(where, what, "(rows, columns)", matrix.owner.attr("astype")(name(dtype)));
}

void convert(const char* where, const char* what, HeldVector& vector, DType dtype) {
  if (vector.view.dtype() == dtype) return;
  vector = vector_argument(where, what, vector.owner.attr("astype")(name(dtype)));
}

struct NewMatrix {
  NewMatrix(DType dtype, std::size_t rows, std::size_t columns)
      : array(
            new_array(dtype, {static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)})),
        view(array.mutable_data(), dtype, rows, columns) {}
  py::array array;
  MatrixView view;
};

py::array dense_forward(py::handle x_value, py::handle w_value, py::handle b_value,
                        py::handle activation_value) {
  constexpr const char* kWhere = "ops.dense_forward";
  const std::string activation_name = name_argument(kWhere, "activation", activation_value);
  const Activation activation = prefixed(kWhere, [&] { return parse_activation(activation_name); });
  auto x = matrix_argument(kWhere, "x", "(rows, inputs)", x_value);
  auto w = matrix_argument(kWhere, "w", "(inputs, units)", w_value);
  auto b = vector_argument(kWhere, "b", b_value);
  const DType dtype = working_dtype({x_value, w_value, b_value});
  convert(kWhere, "x", x, dtype);
  convert(kWhere, "w", w, dtype);
  convert(kWhere, "b", b, dtype);
  NewMatrix a(dtype, x.view.rows(), w.view.columns());
  {
    const GilReleased release;
    ops::dense_forward(x.view, w.view, b.view, activation, a.view);
  }
  return a.array;
}

py::tuple dense_backward(py::handle d_a_value, py::handle x_value, py::handle w_value,
                         py::handle z_or_a_value, py::handle activation_value) {
  constexpr const char* kWhere = "ops.dense_backward";
  const std::string activation_name = name_argument(kWhere, "activation", activation_value);
  const Activation activation = prefixed(kWhere, [&] { return parse_activation(activation_name); });
  auto d_a = matrix_argument(kWhere, "d_a", "(rows, units)", d_a_value);
  auto x = matrix_argument(kWhere, "x", "(rows, inputs)", x_value);
  auto w = matrix_argument(kWhere, "w", "(inputs, units)", w_value);
  auto z_or_a = matrix_argument(kWhere, "z_or_a", "(rows, units)", z_or_a_value);
  const DType dtype = working_dtype({d_a_value, x_value, w_value, z_or_a_value});
  convert(kWhere, "d_a", d_a, dtype);
  convert(kWhere, "x", x, dtype);
  convert(kWhere, "w", w, dtype);
  convert(kWhere, "z_or_a", z_or_a, dtype);
  NewMatrix d_x(dtype, x.view.rows(), x.view.columns());
  NewMatrix d_w(dtype, w.view.rows(), w.view.columns());
  py::array d_b = new_array(dtype, {static_cast<py::ssize_t>(w.view.columns())});
  const VectorView d_b_view(d_b.mutable_data(), dtype, w.view.columns());
  {
    const GilReleased release;
    ops::dense_backward(d_a.view, x.view, w.view, z_or_a.view, activation, d_x.view, d_w.view,
                        d_b_view);
  }
  return py::make_tuple(d_x.array, d_w.array, d_b);
}

py::tuple loss(py::handle loss_value, py::handle outputs, py::handle targets,
               py::handle sample_weight) {
  constexpr const char* kWhere = "ops.loss";
  const std::string loss_name = name_argument(kWhere, "loss", loss_value);
  const Loss which = prefixed(kWhere, [&] { return parse_loss(loss_name); });
  auto f = matrix_argument(kWhere, "outputs", "(rows, outputs)", outputs);
  const auto y = targets_argument(kWhere, which, f.view.columns(), targets);
  const auto weights = weights_argument(kWhere, sample_weight);
  const DType dtype =
      y.view.are_labels() ? working_dtype({outputs}) : working_dtype({outputs, targets});
  convert(kWhere, "outputs", f, dtype);
  NewMatrix d_outputs(dtype, f.view.rows(), f.view.columns());
  double value;
  {
    const GilReleased release;
    value = ops::loss(which, f.view, y.view, d_outputs.view, weights.view);
  }
  return py::make_tuple(value, d_outputs.array);
}

}  // namespace

void register_ops(py::module_& module) {
  py::module_ ops = module.def_submodule(
      "ops",
      "Stateless operations on arrays, in float64 where one of them is of float64, else in "
      "float32. Class indices and sample weights have no say in that.");
  ops.def("dense_forward", &dense_forward, py::arg("x"), py::arg("w"), py::arg("b"),
          py::arg("activation") = "identity",
          R"doc(Compute ``f(x w + b)``.

Parameters
----------
x : array_like of shape (rows, inputs)
w : array_like of shape (inputs, units)
b : array_like of shape (units,)
activation : str
    One of ``descend.activations()``.

Returns
-------
ndarray of shape (rows, units)

Raises
------
ValueError, TypeError
    If shapes do not fit or an array is not of real numbers.
)doc");
  ops.def("dense_backward", &dense_backward, py::arg("d_a"), py::arg("x"), py::arg("w"),
          py::arg("z_or_a"), py::arg("activation"),
          R"doc(Backpropagate through one dense layer ``a = f(z)``, ``z = x w + b``.

Parameters
----------
d_a : array_like of shape (rows, units)
    dJ/da.
x : array_like of shape (rows, inputs)
w : array_like of shape (inputs, units)
z_or_a : array_like of shape (rows, units)
    z for "gelu" and "silu", whose derivative a does not determine; a for every other activation.
activation : str

Returns
-------
d_x : ndarray of shape (rows, inputs)
d_w : ndarray of shape (inputs, units)
d_b : ndarray of shape (units,)

Raises
------
ValueError, TypeError
    If shapes do not fit or an array is not of real numbers.
)doc");
  ops.def("loss", &loss, py::arg("loss"), py::arg("outputs"), py::arg("targets"),
          py::arg("sample_weight") = py::none(),
          R"doc(Compute ``J = sum_i w_i L_i / sum_i w_i`` and its gradient.

Parameters
----------
loss : str
    One of ``descend.losses()``.
outputs : array_like of shape (rows, outputs)
    The network's raw outputs.
targets : array_like
    Class indices of shape (rows,), or targets of shape (rows, outputs).
sample_weight : array_like of shape (rows,), optional

Returns
-------
J : float
d_outputs : ndarray of shape (rows, outputs)

Raises
------
ValueError, TypeError
    If the arrays do not fit each other or the loss.
)doc");
}

}  // namespace descend::bindings
