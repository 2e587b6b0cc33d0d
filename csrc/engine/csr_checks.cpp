#include "engine/csr_checks.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/checks.hpp"
#include "engine/check_parts.hpp"

namespace descend::engine {

namespace {

using core::invalid;

template <class Visit>
auto with_index(const ConstCsrView& matrix, const Visit& visit) {
  return matrix.index_type() == ElementType::int32 ? visit(std::int32_t{}) : visit(std::int64_t{});
}

// Rows of one matrix, and how they are checked. Nothing is read beyond the arrays although the
// caller may change them meanwhile, in another thread or where it is asked whether to go on.
template <class Index>
class PlaceCheck {
 public:
  PlaceCheck(const char* where, const ConstCsrView& matrix)
      : where_(where),
        matrix_(matrix),
        indptr_(static_cast<const Index*>(matrix.indptr())),
        indices_(static_cast<const Index*>(matrix.indices())) {}

  void check(std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const Places places = checked_places(row);
      if (!ascends(places)) check_columns(row, places);
    }
  }

 private:
  struct Places {
    std::size_t first, end;
  };

  Places checked_places(std::size_t row) const {
    const Index first = indptr_[row], end = indptr_[row + 1];
    if (first < 0) {
      throw invalid(where_, ": X.indptr[", row, "] is ", first, ", expected at least 0.");
    }
    if (end < first) {
      throw invalid(where_, ": X.indptr[", row + 1, "] is ", end, ", but X.indptr[", row, "] is ",
                    first, "; they never decrease.");
    }
    if (static_cast<std::uint64_t>(end) > matrix_.stored()) {
      throw invalid(where_, ": X.indptr[", row + 1, "] is ", end, ", but X stores ",
                    matrix_.stored(), " values.");
    }
    return {static_cast<std::size_t>(first), static_cast<std::size_t>(end)};
  }

  // Whether the row's columns come in order, each once, as they mostly do.
  bool ascends(const Places& places) const {
    Index last = -1;
    for (std::size_t place = places.first; place < places.end; ++place) {
      const Index column = indices_[place];
      if (column <= last) return false;
      last = column;
    }
    return last < 0 || static_cast<std::uint64_t>(last) < matrix_.columns();
  }

  // The same in any order.
  void check_columns(std::size_t row, const Places& places) {
    seen_.resize(matrix_.columns());
    for (std::size_t place = places.first; place < places.end; ++place) {
      const Index index = indices_[place];
      const auto column = static_cast<std::size_t>(index);
      if (column >= seen_.size()) {
        throw invalid(where_, ": X has column index ", index, " in row ", row, ", but X has ",
                      matrix_.columns(), " columns: indices are 0 to ", matrix_.columns() - 1, ".");
      }
      if (seen_[column]) {
        throw invalid(where_, ": X has column ", column, " twice in row ", row,
                      "; X.sum_duplicates() adds up what stands in one place.");
      }
      seen_[column] = true;
    }
    for (std::size_t place = places.first; place < places.end; ++place) {
      const auto column = static_cast<std::size_t>(indices_[place]);
      if (column < seen_.size()) seen_[column] = false;
    }
  }

  const char* where_;
  const ConstCsrView& matrix_;
  const Index* indptr_;
  const Index* indices_;
  std::vector<bool> seen_;  // columns of the row at work
};

}  // namespace

void check_index_type(const char* where, const ConstCsrView& matrix) {
  const ElementType type = matrix.index_type();
  if (type == ElementType::int32 || type == ElementType::int64) return;
  throw invalid(where, ": X.indices and X.indptr are ", name(type), ", expected int32 or int64.");
}

void check_places(const char* where, const ConstCsrView& matrix, const CheckOptions& options) {
  const std::size_t index_bytes = element_size(matrix.index_type());
  const std::size_t row_bytes = (matrix.stored() / matrix.rows() + 1) * index_bytes;
  with_index(matrix, [&](auto zero) {
    PlaceCheck<decltype(zero)> places(where, matrix);
    for_each_part(matrix.rows(), row_bytes, options,
                  [&](std::size_t begin, std::size_t end) { places.check(begin, end); });
  });
}

void check_finite(const char* where, const ConstCsrView& matrix, DType dtype,
                  const CheckOptions& options) {
  with_index(matrix, [&](auto zero) {
    using Index = decltype(zero);
    const auto* const indptr = static_cast<const Index*>(matrix.indptr());
    const auto* const values = static_cast<const unsigned char*>(matrix.values());
    // Those checked, unless they have changed since.
    const auto end = std::min(static_cast<std::size_t>(indptr[matrix.rows()]), matrix.stored());
    const auto begin = std::min(static_cast<std::size_t>(indptr[0]), end);
    const ElementType type = matrix.element_type();
    const ConstMatrixView stored(values + begin * element_size(type), type, end - begin, 1);
    std::optional<Element> element = first_not_finite(stored, dtype, options);
    if (!element) return;
    const std::size_t place = begin + element->row;
    const Index* const next =
        std::upper_bound(indptr, indptr + matrix.rows(), static_cast<Index>(place));
    element->row = static_cast<std::size_t>(next - indptr) - 1;
    element->column = static_cast<std::size_t>(static_cast<const Index*>(matrix.indices())[place]);
    throw not_finite(where, "X", *element);
  });
}

}  // namespace descend::engine
