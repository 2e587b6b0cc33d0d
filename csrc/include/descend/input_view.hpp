// What a network is given: rows of inputs, dense or sparse.
#pragma once

#include <cstddef>

#include "descend/csr_view.hpp"
#include "descend/matrix_view.hpp"

namespace descend {

/// The inputs X (rows, columns) of a network, in the caller's memory. Sparse rows give the bits
/// that the same rows give densely.
class InputView {
 public:
  InputView() = default;
  // Implicit on purpose: either goes where inputs are taken.
  InputView(ConstMatrixView dense) : dense_(dense) {}
  InputView(ConstCsrView sparse) : sparse_(sparse), is_sparse_(true) {}

  /// Dense rows, as ConstMatrixView has them.
  template <class T>
  InputView(const T* data, std::size_t rows, std::size_t columns, std::size_t row_stride = 0)
      : InputView(ConstMatrixView(data, rows, columns, row_stride)) {}

  bool given() const { return (is_sparse_ ? sparse_.indptr() : dense_.data()) != nullptr; }
  bool is_sparse() const { return is_sparse_; }
  /// Requires !is_sparse().
  const ConstMatrixView& dense() const { return dense_; }
  /// Requires is_sparse().
  const ConstCsrView& sparse() const { return sparse_; }

  std::size_t rows() const { return is_sparse_ ? sparse_.rows() : dense_.rows(); }
  std::size_t columns() const { return is_sparse_ ? sparse_.columns() : dense_.columns(); }

  /// Rows [begin, end); requires begin <= end <= rows().
  InputView rows(std::size_t begin, std::size_t end) const {
    if (is_sparse_) return sparse_.rows(begin, end);
    return dense_.rows(begin, end);
  }

 private:
  ConstMatrixView dense_;
  ConstCsrView sparse_;
  bool is_sparse_ = false;
};

}  // namespace descend
