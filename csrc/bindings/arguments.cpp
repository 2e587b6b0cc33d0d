#include "bindings/arguments.hpp"

#include <pybind11/numpy.h>

#include <limits>

#include "core/checks.hpp"
#include "core/thread_team.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

// Takes back a TypeError that Python has raised, for a message of our own; throws others on.
void clear_type_error() {
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
  PyErr_Clear();
}

// An integer as a message says it: Python refuses to spell thousands of digits.
std::string spelt(const py::int_& integer) {
  const auto bits = integer.attr("bit_length")().cast<std::size_t>();
  return bits > 128 ? text("an integer of ", bits, " bits") : py::str(integer).cast<std::string>();
}

}  // namespace

std::string type_name(py::handle value) {
  return py::type::of(value).attr("__name__").cast<std::string>();
}

std::uint64_t integer_argument(const char* where, const char* what, py::handle value,
                               std::uint64_t lowest, std::uint64_t highest) {
  const auto expected = [&](bool too_large) {
    return highest == std::numeric_limits<std::uint64_t>::max() && !too_large
               ? text("a whole number of at least ", lowest)
               : text("a whole number in ", lowest, " to ", highest);
  };
  PyObject* number = PyBool_Check(value.ptr()) ? nullptr : PyNumber_Index(value.ptr());
  if (number == nullptr) {
    if (PyErr_Occurred() != nullptr) clear_type_error();
    throw py::type_error(text(where, ": ", what, " must be ", expected(false), ", got ",
                              py::repr(value).cast<std::string>(), "."));
  }
  const auto index = py::reinterpret_steal<py::int_>(number);
  const unsigned long long converted = PyLong_AsUnsignedLongLong(index.ptr());
  const bool overflow = PyErr_Occurred() != nullptr;
  if (overflow) PyErr_Clear();
  if (overflow || converted < lowest || converted > highest) {
    const bool too_large = index > py::int_(0);
    throw invalid(where, ": ", what, " must be ", expected(too_large), ", got ", spelt(index), ".");
  }
  return converted;
}

std::optional<std::size_t> optional_count(const char* where, const char* what, py::handle value) {
  if (value.is_none()) return std::nullopt;
  return integer_argument(where, what, value, 1, std::numeric_limits<std::size_t>::max());
}

int threads_argument(const char* where, py::handle value) {
  if (value.is_none()) return 0;
  return static_cast<int>(integer_argument(where, "threads", value, 1, core::kMostThreads));
}

std::string name_argument(const char* where, const char* what, py::handle value) {
  if (!py::isinstance<py::str>(value) || PyUnicode_AsUTF8(value.ptr()) == nullptr) {
    PyErr_Clear();
    throw py::type_error(
        text(where, ": ", what, " must be a name, got ", py::repr(value).cast<std::string>(), "."));
  }
  return value.cast<std::string>();
}

std::string path_argument(py::handle path) {
  const py::object encoded = py::module_::import("os").attr("fsencode")(path);
  return encoded.cast<std::string>();
}

bool flag_argument(const char* where, const char* what, py::handle value) {
  const bool is_flag = PyBool_Check(value.ptr()) ||
                       py::isinstance(value, py::module_::import("numpy").attr("bool_"));
  if (!is_flag) {
    throw py::type_error(text(where, ": ", what, " must be True or False, got ",
                              py::repr(value).cast<std::string>(), "."));
  }
  return PyObject_IsTrue(value.ptr()) == 1;
}

double number_argument(const char* where, const char* what, py::handle value) {
  const double number = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError) != 0) {
      PyErr_Clear();
      throw invalid(where, ": ", what, " is beyond the range of floating point numbers.");
    }
    clear_type_error();
    throw py::type_error(text(where, ": ", what, " must be a real number, got ",
                              py::repr(value).cast<std::string>(), "."));
  }
  return number;
}

std::optional<double> optional_number(const char* where, const char* what, py::handle value) {
  if (value.is_none()) return std::nullopt;
  return number_argument(where, what, value);
}

DType dtype_argument(const char* where, py::handle value) {
  std::string given;
  try {
    given = py::str(py::dtype::from_args(py::reinterpret_borrow<py::object>(value)))
                .cast<std::string>();
  } catch (const py::error_already_set&) {
    given = py::repr(value).cast<std::string>();
  }
  if (given == "float32") return DType::float32;
  if (given == "float64" && !value.is_none()) return DType::float64;
  throw invalid(where, ": dtype must be 'float32' or 'float64', got ",
                py::repr(value).cast<std::string>(), ".");
}

}  // namespace descend::bindings
