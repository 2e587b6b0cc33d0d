// Views of the caller's memory: no ownership, no copy.
//   a matrix is `rows` rows of `columns` adjacent elements, `row_stride` elements apart
#pragma once

#include <cstddef>
#include <cstdint>

#include "descend/dtype.hpp"

namespace descend {

/// A read-only (rows, columns) matrix of float or double.
class ConstMatrixView {
 public:
  ConstMatrixView() = default;

  /// `row_stride` is the distance between row starts in elements; 0 means `columns`.
  template <class T>
  ConstMatrixView(const T* data, std::size_t rows, std::size_t columns, std::size_t row_stride = 0)
      : ConstMatrixView(static_cast<const void*>(data), DTypeOf<T>::value, rows, columns,
                        row_stride) {}

  ConstMatrixView(const void* data, DType dtype, std::size_t rows, std::size_t columns,
                  std::size_t row_stride = 0)
      : data_(data),
        dtype_(dtype),
        rows_(rows),
        columns_(columns),
        row_stride_(row_stride == 0 ? columns : row_stride) {}

  const void* data() const { return data_; }
  DType dtype() const { return dtype_; }
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  std::size_t row_stride() const { return row_stride_; }

  /// Rows [begin, end); requires begin <= end <= rows().
  ConstMatrixView rows(std::size_t begin, std::size_t end) const {
    const auto* bytes = static_cast<const unsigned char*>(data_);
    return {bytes + begin * row_stride_ * element_size(dtype_), dtype_, end - begin, columns_,
            row_stride_};
  }

 private:
  const void* data_ = nullptr;
  DType dtype_ = DType::float32;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  std::size_t row_stride_ = 0;
};

/// A writable (rows, columns) matrix of float or double.
class MatrixView {
 public:
  /// `row_stride` is the distance between row starts in elements; 0 means `columns`.
  template <class T>
  MatrixView(T* data, std::size_t rows, std::size_t columns, std::size_t row_stride = 0)
      : MatrixView(static_cast<void*>(data), DTypeOf<T>::value, rows, columns, row_stride) {}

  MatrixView(void* data, DType dtype, std::size_t rows, std::size_t columns,
             std::size_t row_stride = 0)
      : data_(data),
        dtype_(dtype),
        rows_(rows),
        columns_(columns),
        row_stride_(row_stride == 0 ? columns : row_stride) {}

  void* data() const { return data_; }
  DType dtype() const { return dtype_; }
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  std::size_t row_stride() const { return row_stride_; }

 private:
  void* data_;
  DType dtype_;
  std::size_t rows_;
  std::size_t columns_;
  std::size_t row_stride_;
};

/// `size` adjacent read-only elements of float or double; empty by default.
class ConstVectorView {
 public:
  ConstVectorView() = default;
  template <class T>
  ConstVectorView(const T* data, std::size_t size)
      : ConstVectorView(static_cast<const void*>(data), DTypeOf<T>::value, size) {}
  ConstVectorView(const void* data, DType dtype, std::size_t size)
      : data_(data), dtype_(dtype), size_(size) {}

  const void* data() const { return data_; }
  DType dtype() const { return dtype_; }
  std::size_t size() const { return size_; }
  bool given() const { return data_ != nullptr; }

 private:
  const void* data_ = nullptr;
  DType dtype_ = DType::float64;
  std::size_t size_ = 0;
};

/// `size` adjacent writable elements of float or double.
class VectorView {
 public:
  template <class T>
  VectorView(T* data, std::size_t size)
      : VectorView(static_cast<void*>(data), DTypeOf<T>::value, size) {}
  VectorView(void* data, DType dtype, std::size_t size) : data_(data), dtype_(dtype), size_(size) {}

  void* data() const { return data_; }
  DType dtype() const { return dtype_; }
  std::size_t size() const { return size_; }

 private:
  void* data_;
  DType dtype_;
  std::size_t size_;
};

/// Class indices 0 .. outputs - 1, one a row.
class LabelView {
 public:
  LabelView() = default;
  LabelView(const std::int64_t* data, std::size_t size) : data_(data), bytes_(8), size_(size) {}
  LabelView(const std::int32_t* data, std::size_t size) : data_(data), bytes_(4), size_(size) {}
  LabelView(const std::uint8_t* data, std::size_t size) : data_(data), bytes_(1), size_(size) {}

  std::size_t size() const { return size_; }

  std::int64_t operator[](std::size_t row) const {
    switch (bytes_) {
      case 8: return static_cast<const std::int64_t*>(data_)[row];
      case 4: return static_cast<const std::int32_t*>(data_)[row];
      default: return static_cast<const std::uint8_t*>(data_)[row];
    }
  }

  /// Rows [begin, end); requires begin <= end <= size().
  LabelView rows(std::size_t begin, std::size_t end) const {
    LabelView part = *this;
    part.data_ = static_cast<const unsigned char*>(data_) + begin * bytes_;
    part.size_ = end - begin;
    return part;
  }

 private:
  const void* data_ = nullptr;
  std::size_t bytes_ = 8;
  std::size_t size_ = 0;
};

/// What a network should give: a matrix (rows, outputs), or class indices (rows).
class Targets {
 public:
  Targets() = default;
  Targets(ConstMatrixView values) : values_(values) {}               // NOLINT: implicit on purpose
  Targets(LabelView labels) : labels_(labels), are_labels_(true) {}  // NOLINT: implicit on purpose

  bool are_labels() const { return are_labels_; }
  const ConstMatrixView& values() const { return values_; }
  const LabelView& labels() const { return labels_; }
  std::size_t rows() const { return are_labels_ ? labels_.size() : values_.rows(); }

 private:
  ConstMatrixView values_;
  LabelView labels_;
  bool are_labels_ = false;
};

}  // namespace descend
