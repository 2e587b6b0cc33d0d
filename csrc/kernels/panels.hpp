// How the kernels keep matrices: cache-line groups of columns, and panels of four groups.
//   a group is 64 bytes: 16 floats or 8 doubles; a panel is 64 floats or 32 doubles wide
// Weights (inputs, units) stand panel after panel; a panel holds its columns of every row, row
// after row, so that a kernel streams it once. The last panel is as wide as it must be, in whole
// groups, and padded with zeros. Other matrices are row-major with rows padded to whole groups.
// The functions are always inlined: an outlined one would be a weak symbol that the linker may take
// from any instruction set's object.
#pragma once

#include <cstddef>

namespace descend::kernels {

constexpr std::size_t kGroupBytes = 64;
constexpr std::size_t kPanelGroups = 4;

template <class T>
constexpr std::size_t kGroup = kGroupBytes / sizeof(T);
template <class T>
constexpr std::size_t kPanel = kPanelGroups * kGroup<T>;

/// `columns` rounded up to whole groups.
template <class T>
[[gnu::always_inline]] constexpr std::size_t padded(std::size_t columns) {
  return (columns + kGroup<T> - 1) / kGroup<T> * kGroup<T>;
}

/// Elements of a paneled (rows, columns) matrix.
template <class T>
[[gnu::always_inline]] constexpr std::size_t paneled_size(std::size_t rows, std::size_t columns) {
  return rows * padded<T>(columns);
}

/// Width in elements of the panel that starts at column `begin`.
template <class T>
[[gnu::always_inline]] constexpr std::size_t panel_width(std::size_t columns, std::size_t begin) {
  const std::size_t rest = padded<T>(columns) - begin;
  return rest < kPanel<T> ? rest : kPanel<T>;
}

/// Place of element (row, column) in a paneled (rows, columns) matrix.
template <class T>
[[gnu::always_inline]] constexpr std::size_t paneled_index(std::size_t rows, std::size_t columns,
                                                           std::size_t row, std::size_t column) {
  const std::size_t begin = column / kPanel<T> * kPanel<T>;
  return rows * begin + row * panel_width<T>(columns, begin) + column - begin;
}

}  // namespace descend::kernels
