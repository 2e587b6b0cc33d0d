#include "engine/csr_rows.hpp"

#include <algorithm>
#include <cstdint>

namespace descend::engine {

namespace {

// Values that are converted at a time.
constexpr std::size_t kConverted = 256;

// `count` values from place `first` on, as T: where they stand, or in `converted`.
template <class T>
const T* values_of(const kernels::Kernels<T>& kernels, const ConstCsrView& source,
                   std::size_t first, std::size_t count, T* converted) {
  const ElementType type = source.element_type();
  const auto* const from =
      static_cast<const unsigned char*>(source.values()) + first * element_size(type);
  if (type == element_type_of<T>()) return reinterpret_cast<const T*>(from);
  kernels.gather_rows({1, count, from, type, count, nullptr, 0, converted, kConverted});
  return converted;
}

template <class T, class Index>
void gather(const kernels::Kernels<T>& kernels, const ConstCsrView& source, const Rows& rows,
            T* out, std::size_t ld_out) {
  const auto* const indptr = static_cast<const Index*>(source.indptr());
  const auto* const indices = static_cast<const Index*>(source.indices());
  const std::size_t columns = source.columns();
  // A negative number is beyond all places.
  const auto place = [&](std::size_t row) {
    return std::min(static_cast<std::size_t>(indptr[row]), source.stored());
  };
  alignas(64) T converted[kConverted];
  for (std::size_t i = 0; i < rows.count; ++i, out += ld_out) {
    std::fill_n(out, kernels::padded<T>(columns), T{0});
    const std::size_t row = rows[i], end = place(row + 1);
    for (std::size_t first = place(row); first < end; first += kConverted) {
      const std::size_t count = std::min(kConverted, end - first);
      const T* const values = values_of(kernels, source, first, count, converted);
      for (std::size_t k = 0; k < count; ++k) {
        const auto column = static_cast<std::size_t>(indices[first + k]);
        if (column < columns) out[column] = values[k];
      }
    }
  }
}

}  // namespace

template <class T>
void gather_csr_rows(const kernels::Kernels<T>& kernels, const ConstCsrView& source,
                     const Rows& rows, T* out, std::size_t ld_out) {
  if (source.index_type() == ElementType::int32) {
    gather<T, std::int32_t>(kernels, source, rows, out, ld_out);
  } else {
    gather<T, std::int64_t>(kernels, source, rows, out, ld_out);
  }
}

template void gather_csr_rows(const kernels::Kernels<float>&, const ConstCsrView&, const Rows&,
                              float*, std::size_t);
template void gather_csr_rows(const kernels::Kernels<double>&, const ConstCsrView&, const Rows&,
                              double*, std::size_t);

}  // namespace descend::engine
