// What a network is given, X: an array as in arrays.hpp, or a sparse matrix.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/arrays.hpp"
#include "descend/input_view.hpp"

namespace descend::bindings {

/// A real array (rows, inputs), or what has the attributes of scipy.sparse's CSR matrices, whose
/// arrays are used where they stand; other sparse matrices become CSR once, by their own tocsr().
/// Raises TypeError and ValueError as matrix_argument does, and where the attributes do not go
/// together.
Held<InputView> inputs_argument(const char* where, pybind11::handle value);

}  // namespace descend::bindings
