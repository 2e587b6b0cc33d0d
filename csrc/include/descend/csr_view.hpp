// A view of sparse rows in the caller's memory: no ownership, no copy.
//   compressed sparse rows (CSR): row i has `values[k]` in column `indices[k]` for each place k
//   from `indptr[i]` up to `indptr[i + 1]`; every other element is 0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "descend/element_type.hpp"

namespace descend {

/// A read-only (rows, columns) matrix of any element type, of which the elements that are not 0 are
/// stored. Within a row the columns may stand in any order, each of them once. Products walk what
/// is stored, or where that is much, a step's rows are made dense when they are gathered.
///
/// What takes the view checks that `indptr` never decreases and stays within the places stored, and
/// that each index is a column: it throws std::invalid_argument otherwise. What is changed later,
/// while a call is at work, is used as it then stands; elements whose index has become no column,
/// or that lie behind the places stored, count as 0.
class ConstCsrView {
 public:
  ConstCsrView() = default;

  /// `values` and `indices` have `stored` elements, `indptr` has rows + 1 of the type that the
  /// indices have: std::int32_t or std::int64_t.
  template <class T, class Index>
  ConstCsrView(const T* values, const Index* indices, const Index* indptr, std::size_t stored,
               std::size_t rows, std::size_t columns)
      : ConstCsrView(values, descend::element_type_of<T>(), indices, indptr,
                     descend::element_type_of<Index>(), stored, rows, columns) {
    static_assert(std::is_integral_v<Index> && std::is_signed_v<Index> && sizeof(Index) >= 4,
                  "indices are std::int32_t or std::int64_t");
  }

  ConstCsrView(const void* values, ElementType element_type, const void* indices,
               const void* indptr, ElementType index_type, std::size_t stored, std::size_t rows,
               std::size_t columns)
      : values_(values),
        indices_(indices),
        indptr_(indptr),
        element_type_(element_type),
        index_type_(index_type),
        stored_(stored),
        rows_(rows),
        columns_(columns) {}

  const void* values() const { return values_; }
  const void* indices() const { return indices_; }
  const void* indptr() const { return indptr_; }
  ElementType element_type() const { return element_type_; }
  ElementType index_type() const { return index_type_; }
  std::size_t stored() const { return stored_; }
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }

  /// Rows [begin, end) of the same values; requires begin <= end <= rows().
  ConstCsrView rows(std::size_t begin, std::size_t end) const {
    const auto* bytes = static_cast<const unsigned char*>(indptr_);
    return {values_,     element_type_, indices_,    bytes + begin * element_size(index_type_),
            index_type_, stored_,       end - begin, columns_};
  }

 private:
  const void* values_ = nullptr;
  const void* indices_ = nullptr;
  const void* indptr_ = nullptr;
  ElementType element_type_ = ElementType::float32;
  ElementType index_type_ = ElementType::int32;
  std::size_t stored_ = 0;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
};

}  // namespace descend
