// The operands of a matrix product on a GPU.
// Element (i, k): i a row or column of the product, k of its depth. An operand is contiguous along
// one of the two, and `ld` apart along the other; rows are padded to whole groups.
#pragma once

#include "kernels/panels.hpp"
#include "kernels/simd_cuda.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

/// A row-major matrix's rows.
template <class T>
struct Rows {
  static constexpr bool kAlongDepth = true;
  const T* data;
  std::size_t row_ld, count;
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + i * row_ld + k;
  }
  __device__ __forceinline__ std::size_t ld(std::size_t, std::size_t) const { return row_ld; }
  template <int kDepth>
  __device__ __forceinline__ void go_on(const T*& p, std::size_t&, std::size_t, std::size_t) const {
    p += kDepth;
  }
};

/// A row-major matrix's columns.
template <class T>
struct Columns {
  static constexpr bool kAlongDepth = false;
  const T* data;
  std::size_t row_ld, count;  // columns that may be read
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + k * row_ld + i;
  }
  __device__ __forceinline__ std::size_t ld(std::size_t, std::size_t) const { return row_ld; }
  template <int kDepth>
  __device__ __forceinline__ void go_on(const T*& p, std::size_t& ld, std::size_t,
                                        std::size_t) const {
    p += kDepth * ld;
  }
};

/// The columns of weights.
template <class T>
struct PanelColumns {
  static constexpr bool kAlongDepth = false;
  const T* data;
  std::size_t inputs, units, count;  // columns that may be read
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + paneled_index<T>(inputs, units, k, i);
  }
  __device__ __forceinline__ std::size_t ld(std::size_t i, std::size_t) const {
    return panel_width<T>(units, i / kPanel<T> * kPanel<T>);
  }
  template <int kDepth>
  __device__ __forceinline__ void go_on(const T*& p, std::size_t& ld, std::size_t,
                                        std::size_t) const {
    p += kDepth * ld;
  }
};

/// The rows of weights: along the depth as far as a panel goes, whose width `ld` is.
template <class T>
struct PanelRows {
  static constexpr bool kAlongDepth = true;
  const T* data;
  std::size_t inputs, units, count;
  __device__ __forceinline__ const T* at(std::size_t i, std::size_t k) const {
    return data + paneled_index<T>(inputs, units, i, k);
  }
  __device__ __forceinline__ std::size_t ld(std::size_t, std::size_t k) const {
    return panel_width<T>(units, k / kPanel<T> * kPanel<T>);
  }
  /// Panels are whole multiples of kDepth wide, but for the last one.
  template <int kDepth>
  __device__ __forceinline__ void go_on(const T*& p, std::size_t& panel_ld, std::size_t i,
                                        std::size_t k) const {
    p += kDepth;
    if (static_cast<unsigned>(k) % kPanel<T> >= kDepth) return;
    p = at(i, k);
    panel_ld = ld(i, k);
  }
};

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
