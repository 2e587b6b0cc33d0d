// Checks of sparse rows at the public boundary; messages begin with `where`, the function called.
#pragma once

#include "descend/csr_view.hpp"
#include "descend/dtype.hpp"
#include "engine/data_checks.hpp"

namespace descend::engine {

/// Throws std::invalid_argument unless the indices are of a type that they may have.
void check_index_type(const char* where, const ConstCsrView& matrix);

/// Throws std::invalid_argument unless every row lies within the values stored, and has each of
/// its columns once.
void check_places(const char* where, const ConstCsrView& matrix, const CheckOptions& options);

/// As check_finite for dense rows; the places are those that check_places has found good, or fewer
/// where they have changed since.
void check_finite(const char* where, const ConstCsrView& matrix, DType dtype,
                  const CheckOptions& options);

}  // namespace descend::engine
