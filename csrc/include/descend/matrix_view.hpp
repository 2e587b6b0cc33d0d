// Views of the caller's memory: no ownership, no copy.
//   a matrix is `rows` rows of `columns` adjacent elements, `row_stride` elements apart
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "descend/dtype.hpp"
#include "descend/element_type.hpp"

namespace descend {

/// A read-only (rows, columns) matrix of any element type. Rows of the type that the arithmetic has
/// are read in place; others are converted a few at a time, when they are needed.
class ConstMatrixView {
 public:
  ConstMatrixView() = default;

  /// `row_stride` is the distance between row starts in elements, less than `columns` where rows
  /// overlap; 0 means `columns`.
  template <class T>
  ConstMatrixView(const T* data, std::size_t rows, std::size_t columns, std::size_t row_stride = 0)
      : ConstMatrixView(static_cast<const void*>(data), descend::element_type_of<T>(), rows,
                        columns, row_stride) {}

  ConstMatrixView(const void* data, ElementType element_type, std::size_t rows, std::size_t columns,
                  std::size_t row_stride = 0)
      : data_(data),
        element_type_(element_type),
        rows_(rows),
        columns_(columns),
        row_stride_(row_stride == 0 ? columns : row_stride) {}

  ConstMatrixView(const void* data, DType dtype, std::size_t rows, std::size_t columns,
                  std::size_t row_stride = 0)
      : ConstMatrixView(data, descend::element_type(dtype), rows, columns, row_stride) {}

  const void* data() const { return data_; }
  ElementType element_type() const { return element_type_; }
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  std::size_t row_stride() const { return row_stride_; }

  /// Where row `row` starts.
  const void* row(std::size_t row) const {
    const auto* bytes = static_cast<const unsigned char*>(data_);
    return bytes + row * row_stride_ * element_size(element_type_);
  }

  /// Rows [begin, end); requires begin <= end <= rows().
  ConstMatrixView rows(std::size_t begin, std::size_t end) const {
    return {row(begin), element_type_, end - begin, columns_, row_stride_};
  }

 private:
  const void* data_ = nullptr;
  ElementType element_type_ = ElementType::float32;
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

/// Class indices 0 .. outputs - 1, one a row, of any integer type or bool.
class LabelView {
 public:
  LabelView() = default;

  template <class T>
  LabelView(const T* data, std::size_t size)
      : LabelView(static_cast<const void*>(data), descend::element_type_of<T>(), size) {
    static_assert(std::is_integral_v<T>, "class indices are integers");
  }

  LabelView(const void* data, ElementType element_type, std::size_t size)
      : data_(data), element_type_(element_type), size_(size) {}

  const void* data() const { return data_; }
  ElementType element_type() const { return element_type_; }
  std::size_t size() const { return size_; }

  /// The class of row `row`, 2^63 - 1 where it is above; -1 where the elements are floats.
  std::int64_t operator[](std::size_t row) const {
    switch (element_type_) {
      case ElementType::boolean: return at<std::uint8_t>(row) != 0 ? 1 : 0;
      case ElementType::int8: return at<std::int8_t>(row);
      case ElementType::int16: return at<std::int16_t>(row);
      case ElementType::int32: return at<std::int32_t>(row);
      case ElementType::int64: return at<std::int64_t>(row);
      case ElementType::uint8: return at<std::uint8_t>(row);
      case ElementType::uint16: return at<std::uint16_t>(row);
      case ElementType::uint32: return at<std::uint32_t>(row);
      case ElementType::uint64: {
        constexpr std::uint64_t kHighest = INT64_MAX;
        const std::uint64_t label = at<std::uint64_t>(row);
        return static_cast<std::int64_t>(label < kHighest ? label : kHighest);
      }
      default: return -1;
    }
  }

  /// Rows [begin, end); requires begin <= end <= size().
  LabelView rows(std::size_t begin, std::size_t end) const {
    const auto* bytes = static_cast<const unsigned char*>(data_);
    return {bytes + begin * element_size(element_type_), element_type_, end - begin};
  }

 private:
  template <class T>
  T at(std::size_t row) const {
    return static_cast<const T*>(data_)[row];
  }

  const void* data_ = nullptr;
  ElementType element_type_ = ElementType::int64;
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
