// Numbers, names, flags and paths of Python to the core's values.
// Messages begin with `where`, the function called; a wrong kind of object raises TypeError, a
// value out of range ValueError.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "descend/dtype.hpp"

namespace descend::bindings {

/// The name of its type.
std::string type_name(pybind11::handle value);

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

/// "float32" or "float64", or NumPy's type of that name.
DType dtype_argument(const char* where, pybind11::handle value);

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
