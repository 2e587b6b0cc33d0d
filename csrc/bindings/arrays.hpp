// Arrays of Python to the core's views.
// Matrices of any real type with adjacent elements in each row are used where they stand, and so
// are adjacent class indices. Columns apart, other orders of bytes, unaligned elements and long
// double are copied once; what holds columns, such as a data frame, is read by descend.tables.
// Messages begin with `where`, the function called.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"

namespace descend::bindings {

/// A view together with the array that owns its memory.
template <class View>
struct Held {
  pybind11::object owner;
  View view;
};

/// Whether it is a sparse matrix as scipy.sparse has them: it is or can become CSR.
bool is_sparse(pybind11::handle value);

/// Any array, object with the array protocol, data frame or series, as an array of real numbers.
/// Raises TypeError for other kinds of elements and for masked arrays, ValueError for missing
/// values.
pybind11::array real_array(const char* where, const char* what, pybind11::handle value);

/// A real array (rows, columns). Raises TypeError for other kinds of elements, ValueError for
/// other shapes. `expected` is said of the shape, such as "(rows, inputs)".
Held<ConstMatrixView> matrix_argument(const char* where, const char* what, const char* expected,
                                      pybind11::handle value);

/// As matrix_argument, for a vector.
Held<ConstVectorView> vector_argument(const char* where, const char* what, pybind11::handle value);

/// Targets for `loss` and `outputs` outputs: class indices (rows,) or a matrix.
Held<Targets> targets_argument(const char* where, Loss loss, std::size_t outputs,
                               pybind11::handle value);

/// sample_weight: None or one number a row.
Held<ConstVectorView> weights_argument(const char* where, pybind11::handle value);

/// Row indices in visiting order, copied.
std::vector<std::size_t> order_argument(const char* where, pybind11::handle value);

/// float64 where one of the arrays is of float64 or wider, else float32. Sequences count as NumPy
/// reads them.
DType working_dtype(std::initializer_list<pybind11::handle> values);

/// An uninitialised C-ordered array.
pybind11::array new_array(DType dtype, std::vector<pybind11::ssize_t> shape);

}  // namespace descend::bindings
