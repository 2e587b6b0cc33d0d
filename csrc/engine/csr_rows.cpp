#include "engine/csr_rows.hpp"

#include <algorithm>
#include <cstdint>

#include "core/float_environment.hpp"

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
  const core::KeepSubnormals keep;
  kernels.gather_rows({1, count, from, type, count, nullptr, 0, converted, kConverted});
  return converted;
}

// Where rows begin, and the columns of what they store; nothing of it need be true.
template <class Index>
class Places {
 public:
  explicit Places(const ConstCsrView& source)
      : indptr_(static_cast<const Index*>(source.indptr())),
        indices_(static_cast<const Index*>(source.indices())),
        stored_(source.stored()) {}

  // A negative number is beyond all places.
  std::size_t begin(std::size_t row) const {
    return std::min(static_cast<std::size_t>(indptr_[row]), stored_);
  }
  std::size_t column(std::size_t place) const { return static_cast<std::size_t>(indices_[place]); }

 private:
  const Index* indptr_;
  const Index* indices_;
  std::size_t stored_;
};

template <class Visit>
auto with_places(const ConstCsrView& source, const Visit& visit) {
  return source.index_type() == ElementType::int32 ? visit(Places<std::int32_t>(source))
                                                   : visit(Places<std::int64_t>(source));
}

// Calls visit(column, value as T) for the values [begin, end).
template <class T, class Index, class Visit>
void for_each_value(const kernels::Kernels<T>& kernels, const ConstCsrView& source,
                    const Places<Index>& places, std::size_t begin, std::size_t end,
                    const Visit& visit) {
  alignas(64) T converted[kConverted];
  for (std::size_t first = begin; first < end; first += kConverted) {
    const std::size_t count = std::min(kConverted, end - first);
    const T* const values = values_of(kernels, source, first, count, converted);
    for (std::size_t k = 0; k < count; ++k) visit(places.column(first + k), values[k]);
  }
}

}  // namespace

template <class T>
void gather_csr_rows(const kernels::Kernels<T>& kernels, const ConstCsrView& source,
                     const Rows& rows, T* out, std::size_t ld_out) {
  const std::size_t columns = source.columns();
  with_places(source, [&](const auto& places) {
    for (std::size_t i = 0; i < rows.count; ++i) {
      T* const row = out + i * ld_out;
      std::fill_n(row, kernels::padded<T>(columns), T{0});
      for_each_value(kernels, source, places, places.begin(rows[i]), places.begin(rows[i] + 1),
                     [&](std::size_t column, T value) {
                       if (column < columns) row[column] = value;
                     });
    }
  });
}

template <class T>
void list_csr_rows(const kernels::Kernels<T>& kernels, const ConstCsrView& source, const Rows& rows,
                   std::size_t most_stored, kernels::NonzeroList<T>* lists,
                   kernels::Nonzero<T>* elements) {
  const std::size_t columns = source.columns();
  with_places(source, [&](const auto& places) {
    for (std::size_t i = 0; i < rows.count; ++i) {
      kernels::Nonzero<T>* const first = elements;
      const std::size_t begin = places.begin(rows[i]);
      const std::size_t end = std::min(places.begin(rows[i] + 1), begin + most_stored);
      bool ascends = true;
      std::size_t least = 0;
      for_each_value(kernels, source, places, begin, end, [&](std::size_t column, T value) {
        // Written in any case, which is faster than a branch that nobody foresees.
        *elements = {static_cast<std::uint32_t>(column), value};
        const bool counts = value != T{0} && column < columns;
        ascends = ascends && (column >= least || !counts);
        least = counts ? column : least;
        elements += counts ? 1 : 0;
      });
      if (!ascends) {
        std::sort(first, elements, [](const auto& a, const auto& b) { return a.place < b.place; });
      }
      lists[i] = {first, elements};
    }
  });
}

std::size_t most_stored(const ConstCsrView& source) {
  return with_places(source, [&](const auto& places) {
    std::size_t most = 0;
    for (std::size_t row = 0; row < source.rows(); ++row) {
      const std::size_t begin = places.begin(row), end = places.begin(row + 1);
      if (end > begin) most = std::max(most, end - begin);
    }
    return most;
  });
}

template void gather_csr_rows(const kernels::Kernels<float>&, const ConstCsrView&, const Rows&,
                              float*, std::size_t);
template void gather_csr_rows(const kernels::Kernels<double>&, const ConstCsrView&, const Rows&,
                              double*, std::size_t);
template void list_csr_rows(const kernels::Kernels<float>&, const ConstCsrView&, const Rows&,
                            std::size_t, kernels::NonzeroList<float>*, kernels::Nonzero<float>*);
template void list_csr_rows(const kernels::Kernels<double>&, const ConstCsrView&, const Rows&,
                            std::size_t, kernels::NonzeroList<double>*, kernels::Nonzero<double>*);

}  // namespace descend::engine
