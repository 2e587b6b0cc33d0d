// Sparse rows, made dense or listed where they are gathered.
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

/// Lists what is not 0 in `rows` of `source`, as T, row i in lists[i], by ascending columns. Of a
/// row's values `most_stored` at most are read. The lists stand one behind the other in `elements`,
/// which has room for most_stored + 1 a row. Whether a subnormal number is 0 the caller's
/// arithmetic decides. Reads nothing beyond the arrays, as gather_csr_rows.
template <class T>
void list_csr_rows(const kernels::Kernels<T>& kernels, const ConstCsrView& source, const Rows& rows,
                   std::size_t most_stored, kernels::NonzeroList<T>* lists,
                   kernels::Nonzero<T>* elements);

/// The most values that a row stores.
std::size_t most_stored(const ConstCsrView& source);

}  // namespace descend::engine
