// Python values to the core's views and numbers, in one place.
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
#include <optional>
#include <string>
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

/// The name of its type.
std::string type_name(pybind11::handle value);

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

/// A whole number in [lowest, highest].
std::uint64_t integer_argument(const char* where, const char* what, pybind11::handle value,
                               std::uint64_t lowest, std::uint64_t highest);

/// As integer_argument; None is empty.
std::optional<std::size_t> optional_count(const char* where, const char* what,
                                          pybind11::handle value);

/// threads: None is 0, which lets the work decide.
int threads_argument(const char* where, pybind11::handle value);

/// A str, one of the names that `what` has.
std::string name_argument(const char* where, const char* what, pybind11::handle value);

/// What os.fspath makes of a path, in the file system's encoding.
std::string path_argument(pybind11::handle path);

/// True or False.
bool flag_argument(const char* where, const char* what, pybind11::handle value);

/// A real number.
double number_argument(const char* where, const char* what, pybind11::handle value);

/// As number_argument; None is empty.
std::optional<double> optional_number(const char* where, const char* what, pybind11::handle value);

/// float64 where one of the arrays is of float64 or wider, else float32. Sequences count as NumPy
/// reads them.
DType working_dtype(std::initializer_list<pybind11::handle> values);

/// "float32" or "float64", or NumPy's type of that name.
DType dtype_argument(const char* where, pybind11::handle value);

/// An uninitialised C-ordered array.
pybind11::array new_array(DType dtype, std::vector<pybind11::ssize_t> shape);

/// What `function` gives; "where: " goes before the message of an invalid_argument.
template <class Function>
auto prefixed(const char* where, const Function& function) {
  try {
    return function();
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string(where) + ": " + error.what());
  }
}

}  // namespace descend::bindings
