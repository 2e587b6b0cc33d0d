// Sparse rows, made dense where they are gathered.
#pragma once

#include <cstddef>

#include "descend/csr_view.hpp"
#include "engine/rows.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// Writes `rows` of `source` densely into `out`, whose padded rows are ld_out apart: zeros, and the
/// values stored, converted to T. Reads and writes nothing beyond the arrays, whatever they hold:
/// rows end where the values do, and an index that is no column is passed over.
template <class T>
void gather_csr_rows(const kernels::Kernels<T>& kernels, const ConstCsrView& source,
                     const Rows& rows, T* out, std::size_t ld_out);

}  // namespace descend::engine
