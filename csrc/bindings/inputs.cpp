#include "bindings/inputs.hpp"

#include <limits>
#include <string>

#include "bindings/arguments.hpp"
#include "core/checks.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

bool is_csr(py::handle value) {
  const py::object format = py::getattr(value, "format", py::none());
  return py::isinstance<py::str>(format) && format.equal(py::str("csr")) &&
         py::hasattr(value, "data") && py::hasattr(value, "indices") &&
         py::hasattr(value, "indptr") && py::hasattr(value, "shape");
}

// One of the arrays of a sparse matrix as a row of adjacent elements.
Held<ConstMatrixView> part_of(const char* where, const char* what, py::handle value) {
  const py::array array = real_array(where, what, value);
  if (array.ndim() != 1) {
    throw invalid(where, ": ", what, " has shape ",
                  py::str(array.attr("shape")).cast<std::string>(), ", expected one dimension.");
  }
  return matrix_argument(where, what, "", array.attr("reshape")(1, -1));
}

Held<ConstMatrixView> integers_of(const char* where, const char* what, const py::object& value) {
  const Held<ConstMatrixView> integers = part_of(where, what, value);
  const ElementType type = integers.view.element_type();
  if (is_floating(type) || type == ElementType::boolean) {
    throw py::type_error(
        text(where, ": ", what, " has elements of ", name(type), ", expected int32 or int64."));
  }
  return integers;
}

Held<ConstMatrixView> as_int64(const char* where, const Held<ConstMatrixView>& integers) {
  return matrix_argument(where, "X", "", integers.owner.attr("astype")("int64"));
}

std::size_t length_of(const char* where, const py::tuple& shape, std::size_t axis) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<py::ssize_t>::max());
  return integer_argument(where, axis == 0 ? "the number of X's rows" : "the number of X's columns",
                          shape[axis], 0, kMost - 1);
}

Held<InputView> csr_argument(const char* where, py::handle matrix) {
  const py::object given = matrix.attr("shape");
  if (!py::isinstance<py::tuple>(given) && !py::isinstance<py::list>(given)) {
    throw py::type_error(
        text(where, ": X.shape is a ", type_name(given), ", expected a tuple (rows, inputs)."));
  }
  const auto shape = py::tuple(given);
  if (shape.size() != 2) {
    throw invalid(where, ": X has shape ", py::str(shape).cast<std::string>(),
                  ", expected two dimensions (rows, inputs).");
  }
  const std::size_t rows = length_of(where, shape, 0), columns = length_of(where, shape, 1);
  const Held<ConstMatrixView> values = part_of(where, "X.data", matrix.attr("data"));
  Held<ConstMatrixView> indices = integers_of(where, "X.indices", matrix.attr("indices"));
  Held<ConstMatrixView> indptr = integers_of(where, "X.indptr", matrix.attr("indptr"));
  const std::size_t stored = values.view.columns();
  if (indices.view.columns() != stored) {
    throw invalid(where, ": X.indices has ", indices.view.columns(), " elements, but X.data has ",
                  stored, "; they must be as many.");
  }
  if (indptr.view.columns() != rows + 1) {
    throw invalid(where, ": X.indptr has ", indptr.view.columns(), " elements, but X has ", rows,
                  " rows; expected ", rows + 1, ".");
  }
  const ElementType type = indices.view.element_type();
  const bool native = type == indptr.view.element_type() &&
                      (type == ElementType::int32 || type == ElementType::int64);
  if (!native) {
    indices = as_int64(where, indices);
    indptr = as_int64(where, indptr);
  }
  return {py::make_tuple(values.owner, indices.owner, indptr.owner),
          ConstCsrView(values.view.data(), values.view.element_type(), indices.view.data(),
                       indptr.view.data(), indices.view.element_type(), stored, rows, columns)};
}

}  // namespace

Held<InputView> inputs_argument(const char* where, py::handle value) {
  if (!is_sparse(value)) {
    const Held<ConstMatrixView> dense = matrix_argument(where, "X", "(rows, inputs)", value);
    return {dense.owner, dense.view};
  }
  if (is_csr(value)) return csr_argument(where, value);
  const py::object converted = value.attr("tocsr")();
  if (!is_csr(converted)) {
    throw py::type_error(text(where, ": X is a ", type_name(value), " whose tocsr() gives a ",
                              type_name(converted), ", expected a CSR matrix of scipy.sparse."));
  }
  return csr_argument(where, converted);
}

}  // namespace descend::bindings
