#include "bindings/arrays.hpp"

#include <cmath>
#include <type_traits>

#include "bindings/arguments.hpp"
#include "core/checks.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

std::string shape_of(const py::array& array) {
  return py::str(array.attr("shape")).cast<std::string>();
}

// NumPy's letter for a kind of numbers.
template <class T>
constexpr char kNumpyKind = std::is_same_v<T, bool>  ? 'b'
                            : !std::is_integral_v<T> ? 'f'
                            : std::is_signed_v<T>    ? 'i'
                                                     : 'u';

bool is_native(const py::array& array) {
  const char order = array.dtype().byteorder();
  return order == '=' || order == '|';
}

bool is_aligned(const py::array& array) {
  return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

// The core's name for the array's dtype, its byte order left aside; none for long double.
std::optional<ElementType> element_type_of(const py::array& array) {
  const char kind = array.dtype().kind();
#define DESCEND_ROW(name, Type)                                                                 \
  if (kind == kNumpyKind<Type> && array.itemsize() == static_cast<py::ssize_t>(sizeof(Type))) { \
    return ElementType::name;                                                                   \
  }
  DESCEND_ELEMENT_TYPES(DESCEND_ROW)
#undef DESCEND_ROW
  return std::nullopt;
}

std::optional<DType> float_type(const py::array& array) {
  if (!is_native(array) || !is_aligned(array)) return std::nullopt;
  const std::optional<ElementType> type = element_type_of(array);
  if (type == ElementType::float32) return DType::float32;
  if (type == ElementType::float64) return DType::float64;
  return std::nullopt;
}

// A C-ordered copy that holds every value: float32 where that is exact, float64 otherwise.
py::array float_copy(const py::array& array) {
  const char kind = array.dtype().kind();
  const bool fits_float32 = kind == 'f' ? array.itemsize() <= 4 : array.itemsize() <= 2;
  return array.attr("astype")(fits_float32 ? "float32" : "float64", py::arg("order") = "C");
}

// A C-ordered copy in native bytes, of the array's own type; long double becomes float64.
py::array native_copy(const py::array& array) {
  const py::object dtype =
      element_type_of(array) ? array.dtype().attr("newbyteorder")("=") : py::str("float64");
  return array.attr("astype")(dtype, py::arg("order") = "C");
}

bool rows_readable_in_place(const py::array& array) {
  const py::ssize_t size = array.itemsize();
  const bool adjacent = array.shape(1) <= 1 || array.strides(1) == size;
  const bool forward =
      array.shape(0) <= 1 || (array.strides(0) > 0 && array.strides(0) % size == 0);
  return element_type_of(array) && is_native(array) && is_aligned(array) && adjacent && forward;
}

Held<ConstMatrixView> matrix_of(py::array array) {
  if (!rows_readable_in_place(array)) array = native_copy(array);
  const auto rows = static_cast<std::size_t>(array.shape(0));
  const auto columns = static_cast<std::size_t>(array.shape(1));
  const std::size_t stride =
      rows > 1 ? static_cast<std::size_t>(array.strides(0) / array.itemsize()) : columns;
  return {array, ConstMatrixView(array.data(), *element_type_of(array), rows, columns, stride)};
}

// Class indices given as floats, each a whole number.
py::array whole_numbers(const char* where, const py::array& labels) {
  const auto values = labels.attr("astype")("float64").cast<py::array_t<double>>();
  py::array_t<std::int64_t> whole(values.shape(0));
  for (py::ssize_t row = 0; row < values.shape(0); ++row) {
    const double value = values.at(row);
    if (!std::isfinite(value) || value != std::floor(value)) {
      throw invalid(where, ": y is ", value, " at row ", row,
                    ", but class indices are whole numbers.");
    }
    // Beyond 2^53 no class index is meant; -1 is out of range for every network.
    whole.mutable_at(row) = std::abs(value) < 9e15 ? static_cast<std::int64_t>(value) : -1;
  }
  return std::move(whole);
}

Held<Targets> labels_of(const char* where, py::array array) {
  if (array.dtype().kind() == 'f') array = whole_numbers(where, array);
  const bool adjacent = array.shape(0) <= 1 || array.strides(0) == array.itemsize();
  if (!adjacent || !is_native(array) || !is_aligned(array)) array = native_copy(array);
  return {array, LabelView(array.data(), *element_type_of(array),
                           static_cast<std::size_t>(array.shape(0)))};
}

bool is_plain_array(py::handle value) {
  return py::type::handle_of(value).is(
      py::handle(reinterpret_cast<PyObject*>(py::detail::npy_api::get().PyArray_Type_)));
}

// Whether Python makes an array of it column by column, or by a protocol that NumPy does not ask
// for.
bool is_of_columns(py::handle value) {
  return py::hasattr(value, "__arrow_c_stream__") || py::hasattr(value, "__arrow_c_array__") ||
         py::hasattr(value, "__dataframe__") ||
         (py::hasattr(value, "__dlpack__") && !py::hasattr(value, "__array__"));
}

// An array of what is none.
py::array converted(const char* where, const char* what, py::handle value) {
  if (value.is_none()) {
    throw py::type_error(text(where, ": ", what, " is None, expected an array of real numbers."));
  }
  if (is_sparse(value)) {
    throw py::type_error(text(where, ": ", what, " is a ", type_name(value), ", and sparse, but ",
                              "only X may be that; give ", what, ".toarray()."));
  }
  if (is_of_columns(value)) {
    return py::module_::import("descend.tables").attr("as_array")(where, what, value);
  }
  if (py::hasattr(value, "mask") && py::hasattr(value, "filled")) {
    throw py::type_error(text(where, ": ", what,
                              " is a masked array, whose mask would be lost; fill it with "
                              "filled(value) or leave its rows out."));
  }
  try {
    return py::module_::import("numpy").attr("asarray")(value);
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_TypeError)) throw;
    throw invalid(where, ": ", what, " (", type_name(value),
                  ") cannot be read as an array of real numbers: ",
                  py::str(error.value()).cast<std::string>());
  }
}

}  // namespace

bool is_sparse(py::handle value) {
  if (is_plain_array(value)) return false;
  const py::object convert = py::getattr(value, "tocsr", py::none());
  const py::object format = py::getattr(value, "format", py::none());
  return PyCallable_Check(convert.ptr()) != 0 ||
         (py::isinstance<py::str>(format) && format.equal(py::str("csr")));
}

py::array real_array(const char* where, const char* what, py::handle value) {
  const py::array array = is_plain_array(value) ? py::reinterpret_borrow<py::array>(value)
                                                : converted(where, what, value);
  const char kind = array.dtype().kind();
  if (kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b') {
    throw py::type_error(text(where, ": ", what, " has dtype ",
                              py::str(array.dtype()).cast<std::string>(),
                              ", expected real numbers (floats, integers or booleans)."));
  }
  return array;
}

Held<ConstMatrixView> matrix_argument(const char* where, const char* what, const char* expected,
                                      py::handle value) {
  const py::array array = real_array(where, what, value);
  if (array.ndim() != 2) {
    throw invalid(where, ": ", what, " has shape ", shape_of(array), ", expected two dimensions ",
                  expected, array.ndim() == 1 ? "; one row is reshape(1, -1)." : ".");
  }
  return matrix_of(array);
}

Held<ConstVectorView> vector_argument(const char* where, const char* what, py::handle value) {
  py::array array = real_array(where, what, value);
  if (array.ndim() != 1) {
    throw invalid(where, ": ", what, " has shape ", shape_of(array), ", expected one dimension.");
  }
  const bool adjacent = array.shape(0) <= 1 || array.strides(0) == array.itemsize();
  if (!adjacent || !float_type(array)) array = float_copy(array);
  return {array, ConstVectorView(array.data(), *float_type(array),
                                 static_cast<std::size_t>(array.shape(0)))};
}

Held<Targets> targets_argument(const char* where, Loss loss, std::size_t outputs,
                               py::handle value) {
  const py::array array = real_array(where, "y", value);
  const bool takes_labels = target_kind(loss) == TargetKind::labels;
  if (array.ndim() == 1) {
    if (takes_labels) return labels_of(where, array);
    if (outputs == 1) {
      Held<ConstMatrixView> column = matrix_of(array.attr("reshape")(-1, 1));
      return {column.owner, Targets(column.view)};
    }
  }
  if (array.ndim() != 2) {
    throw invalid(where, ": y has shape ", shape_of(array), ", but ", name(loss), " with ", outputs,
                  " outputs takes shape (rows, ", outputs, ")",
                  takes_labels   ? " or class indices (rows,)."
                  : outputs == 1 ? " or (rows,)."
                                 : ".");
  }
  Held<ConstMatrixView> matrix = matrix_of(array);
  return {matrix.owner, Targets(matrix.view)};
}

Held<ConstVectorView> weights_argument(const char* where, py::handle value) {
  if (value.is_none()) return {py::none(), ConstVectorView{}};
  return vector_argument(where, "sample_weight", value);
}

std::vector<std::size_t> order_argument(const char* where, py::handle value) {
  const py::array array = real_array(where, "order", value);
  const char kind = array.dtype().kind();
  if (array.ndim() != 1) {
    throw invalid(where, ": order has shape ", shape_of(array),
                  ", expected one dimension of row indices.");
  }
  if (kind != 'i' && kind != 'u' && array.shape(0) > 0) {
    throw py::type_error(text(where, ": order has dtype ",
                              py::str(array.dtype()).cast<std::string>(),
                              ", expected integer row indices."));
  }
  const bool is_uint64 = kind == 'u' && array.itemsize() == 8;
  std::vector<std::size_t> order(static_cast<std::size_t>(array.shape(0)));
  const auto copy = [&](const auto& indices) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto index = indices.at(static_cast<py::ssize_t>(i));
      if (index < 0) {
        throw invalid(where, ": order has row index ", index, " at place ", i,
                      ", expected indices from 0.");
      }
      order[i] = static_cast<std::size_t>(index);
    }
  };
  if (is_uint64) {
    copy(array.attr("astype")("uint64").cast<py::array_t<std::uint64_t>>());
  } else {
    copy(array.attr("astype")("int64").cast<py::array_t<std::int64_t>>());
  }
  return order;
}

DType working_dtype(std::initializer_list<py::handle> values) {
  for (const py::handle value : values) {
    const py::array array = real_array("ops", "an array", value);
    if (array.dtype().kind() == 'f' && array.itemsize() >= 8) return DType::float64;
  }
  return DType::float32;
}

py::array new_array(DType dtype, std::vector<py::ssize_t> shape) {
  return dtype == DType::float32 ? py::array(py::dtype::of<float>(), std::move(shape))
                                 : py::array(py::dtype::of<double>(), std::move(shape));
}

}  // namespace descend::bindings
