// Matrix products over panels, and the dense layer's three products built on them.
//   x (rows, inputs)  w (inputs, units)  b (units)  z = x w + b  a = f(z)  d_v = dJ/dv
// Every element of a product is one ascending chain of fused multiply-adds that starts from 0;
// blocks of the depth go on from the sum so far. Nothing here allocates, throws or starts threads.
#pragma once

#include <cstddef>

#include "kernels/activations.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/nonzero_lists.hpp"
#include "kernels/nonzeros.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

// The register tile: accumulators must leave room for a row of the right operand.
constexpr std::size_t kTileRows = 6;
#ifdef __AVX512F__
constexpr std::size_t kTileGroups = 4;
#else
constexpr std::size_t kTileGroups = 1;
#endif

// Columns of a tile. A single row has registers for a whole panel, which it goes over as it stands:
// with AVX2 one row of 784-128 takes 40 % less, of 2048-2048 75 %.
template <class T>
DESCEND_INLINE std::size_t tile_columns(std::size_t rows) {
  return (rows == 1 ? kPanelGroups : kTileGroups) * kGroup<T>;
}

// Columns of the panel that starts at `begin`, without the padding.
template <class T>
DESCEND_INLINE std::size_t panel_columns(std::size_t columns, std::size_t begin) {
  return columns - begin < kPanel<T> ? columns - begin : kPanel<T>;
}

// How the left operand stands: element (row, k) at row * ld + k, or at k * ld + row.
enum class Left { by_rows, transposed };

// `lines` cache lines of each vector, to be fetched while a tile is computed; or so many for each
// row of c, the next row's behind them.
template <class T>
struct Fetches {
  const T* vectors[3];
  std::size_t lines;
};

// c (kRows, kGroups groups) = a (kRows, depth) b (depth, kGroups groups), with what c holds as
// `into` says. With kHalf the last group's second half is padding: it is not computed, and gets
// zeros.
template <class T, int kRows, int kGroups, bool kHalf, Left kLeft>
void multiply_tile(std::size_t depth, const T* a, std::size_t ld_a, const T* b, std::size_t ld_b,
                   T* c, std::size_t ld_c, Sums into, const Fetches<T>* fetches) {
  constexpr int kWhole = kHalf ? kGroups - 1 : kGroups;
  constexpr std::size_t kHalfPlace = kWhole * kGroup<T>;
  // Unrolled, the sums stay in registers; as loops, GCC keeps a copy of them in memory.
  Vec<T> sums[kRows][kGroups];
  Half<T> half_sums[kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    const T* const place = c + row * ld_c;
#pragma GCC unroll 8
    for (int group = 0; group < kWhole; ++group) {
      sums[row][group] =
          into == Sums::go_on ? Vec<T>::load(place + group * kGroup<T>) : Vec<T>::zero();
    }
    if constexpr (kHalf) {
      half_sums[row] =
          into == Sums::go_on ? Half<T>::load(place + kHalfPlace) : low_half(Vec<T>::zero());
    }
  }
  const auto add_products = [&](std::size_t k) __attribute__((always_inline)) {
    const T* const b_row = b + k * ld_b;
    Vec<T> b_groups[kGroups];
    Half<T> b_half;
#pragma GCC unroll 8
    for (int group = 0; group < kWhole; ++group) {
      b_groups[group] = Vec<T>::load(b_row + group * kGroup<T>);
    }
    if constexpr (kHalf) b_half = Half<T>::load(b_row + kHalfPlace);
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const T* element = kLeft == Left::by_rows ? a + row * ld_a + k : a + k * ld_a + row;
      const Vec<T> a_element = Vec<T>::broadcast(*element);
#pragma GCC unroll 8
      for (int group = 0; group < kWhole; ++group) {
        sums[row][group] = fma(a_element, b_groups[group], sums[row][group]);
      }
      if constexpr (kHalf) half_sums[row] = fma(low_half(a_element), b_half, half_sums[row]);
    }
  };
  std::size_t k = 0;
  if ((kLeft == Left::transposed || kTileGroups == 1) && fetches != nullptr) {
    for (; k < depth && k < fetches->lines; ++k) {
      // Into the second cache.
      for (const T* vector : fetches->vectors) __builtin_prefetch(vector + k * kGroup<T>, 0, 2);
      add_products(k);
    }
  }
  for (; k < depth; ++k) add_products(k);
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    T* const place = c + row * ld_c;
#pragma GCC unroll 8
    for (int group = 0; group < kWhole; ++group) {
      T* const whole = place + group * kGroup<T>;
      if (into == Sums::add) sums[row][group] = Vec<T>::load(whole) + sums[row][group];
      sums[row][group].store(whole);
    }
    if constexpr (kHalf) {
      T* const half = place + kHalfPlace;
      if (into == Sums::add) half_sums[row] = Half<T>::load(half) + half_sums[row];
      half_sums[row].store_group(half);
    }
  }
}

template <class T>
using Tile = void (*)(std::size_t, const T*, std::size_t, const T*, std::size_t, T*, std::size_t,
                      Sums, const Fetches<T>*);

template <class T, int kGroups, bool kHalf, Left kLeft>
Tile<T> tile_of_rows(std::size_t rows) {
  constexpr Tile<T> kTiles[kTileRows] = {
      multiply_tile<T, 1, kGroups, kHalf, kLeft>, multiply_tile<T, 2, kGroups, kHalf, kLeft>,
      multiply_tile<T, 3, kGroups, kHalf, kLeft>, multiply_tile<T, 4, kGroups, kHalf, kLeft>,
      multiply_tile<T, 5, kGroups, kHalf, kLeft>, multiply_tile<T, 6, kGroups, kHalf, kLeft>};
  return kTiles[rows - 1];
}

template <class T, int kGroups, bool kHalf, Left kLeft>
Tile<T> tile_of_several_groups(std::size_t rows) {
  if constexpr (kTileGroups == 1) return multiply_tile<T, 1, kGroups, kHalf, kLeft>;
  return tile_of_rows<T, kGroups, kHalf, kLeft>(rows);
}

template <class T, bool kHalf, Left kLeft>
Tile<T> tile_of_groups(std::size_t rows, std::size_t groups) {
  switch (groups) {
    case 4: return tile_of_several_groups<T, 4, kHalf, kLeft>(rows);
    case 3: return tile_of_several_groups<T, 3, kHalf, kLeft>(rows);
    case 2: return tile_of_several_groups<T, 2, kHalf, kLeft>(rows);
    default: return tile_of_rows<T, 1, kHalf, kLeft>(rows);
  }
}

template <class T, Left kLeft>
Tile<T> tile_of(std::size_t rows, std::size_t columns) {
  constexpr std::size_t kHalfGroup = kGroup<T> / 2;
  const std::size_t halves = (columns + kHalfGroup - 1) / kHalfGroup;
  return halves % 2 == 1 ? tile_of_groups<T, true, kLeft>(rows, halves / 2 + 1)
                         : tile_of_groups<T, false, kLeft>(rows, halves / 2);
}

// c (rows, columns) = a (rows, depth) b (depth, columns), the rows in tiles of equal height:
// 32 rows are 6 + 6 + 5 + 5 + 5 + 5, since a tile of 2 would wait for its own sums.
template <class T, Left kLeft>
void multiply_rows(std::size_t rows, std::size_t depth, std::size_t columns, const T* a,
                   std::size_t ld_a, const T* b, std::size_t ld_b, T* c, std::size_t ld_c,
                   Sums into, const Fetches<T>* of_row) {
  const std::size_t tiles = (rows + kTileRows - 1) / kTileRows;
  const std::size_t low = rows / tiles, higher = rows % tiles;
  const Tile<T> low_tile = tile_of<T, kLeft>(low, columns);
  const Tile<T> high_tile = higher == 0 ? low_tile : tile_of<T, kLeft>(low + 1, columns);
  std::size_t row = 0;
  for (std::size_t tile = 0; tile < tiles; ++tile) {
    const bool high = tile < higher;
    const T* a_tile = kLeft == Left::by_rows ? a + row * ld_a : a + row;
    const std::size_t height = low + (high ? 1 : 0);
    const Tile<T> multiply = high ? high_tile : low_tile;
    if (of_row == nullptr) {
      multiply(depth, a_tile, ld_a, b, ld_b, c + row * ld_c, ld_c, into, nullptr);
    } else {
      const std::size_t place = row * of_row->lines * kGroup<T>;
      const auto [x, y, z] = of_row->vectors;
      const Fetches<T> fetches{{x + place, y + place, z + place}, height * of_row->lines};
      multiply(depth, a_tile, ld_a, b, ld_b, c + row * ld_c, ld_c, into, &fetches);
    }
    row += height;
  }
}

// How much depth goes through at a time. Tiles of one group come over a strip of the right operand
// so often that it should stay in the first cache: 784-1024-1024-10 takes 5 % less. A transposed
// left operand and its right one move on by a row of an activation matrix each, often a page: such
// a tile does too little on each for that, and takes as many pages as the first translation buffer
// holds.
template <class T, Left kLeft>
std::size_t depth_at_a_time(std::size_t ld_a, std::size_t ld_b, Sums into) {
  constexpr std::size_t kBytes = 64 * 4096, kLeast = 32;
  if (kTileGroups > 1 || into == Sums::add) return kDepthBlock;
  if (kLeft == Left::by_rows) return kDepthBlock / 2;
  const std::size_t depth = kBytes / ((ld_a + ld_b) * sizeof(T));
  return depth < kLeast ? kLeast : depth < kDepthBlock ? depth : kDepthBlock;
}

// How the rows of one strip of several share out `lines` lines behind a block, to be fetched.
template <class T>
Fetches<T> fetches_of_strip(const T* behind, std::size_t lines, std::size_t strip,
                            std::size_t strips, std::size_t rows) {
  const std::size_t of_row = lines / strips / (3 * rows) + 1;
  const std::size_t third = rows * of_row * kGroup<T>;
  const T* const first = behind + 3 * strip * third;
  return {{first, first + third, first + 2 * third}, of_row};
}

// What stands behind b's rows: nothing of use, or what comes next.
enum class Behind { nothing, next };

// c (rows, columns) = a (rows, depth) b (depth, columns) for one panel, padded to whole groups.
// While the last block is computed, `of_row` is fetched for each row, unless it is null.
// Tiles of one group leave out most of a panel's lines, so that no prefetcher knows what comes
// next: they fetch it, unless the panel is a small one. With AVX2 the forward product of 2048-2048
// takes 30 % less for 32 rows, 8 % for 256.
template <class T, Left kLeft>
void multiply_panel(std::size_t rows, std::size_t depth, std::size_t columns, const T* a,
                    std::size_t ld_a, const T* b, std::size_t ld_b, T* c, std::size_t ld_c,
                    Sums into, const Fetches<T>* of_row, Behind behind) {
  const std::size_t most_columns = tile_columns<T>(rows);
  const std::size_t strips = (columns + most_columns - 1) / most_columns;
  const std::size_t most = depth_at_a_time<T, kLeft>(ld_a, ld_b, into);
  for (std::size_t k = 0; k < depth; k += most) {
    const std::size_t block = depth - k < most ? depth - k : most;
    const T* a_block = kLeft == Left::by_rows ? a + k : a + k * ld_a;
    for (std::size_t strip = 0; strip < strips; ++strip) {
      const std::size_t column = strip * most_columns, rest = columns - column;
      const bool is_last = k + block == depth && strip == 0;
      const Fetches<T>* fetches = is_last ? of_row : nullptr;
      Fetches<T> next;
      if (kTileGroups == 1 && rows > 1 && depth > most && behind == Behind::next) {
        next =
            fetches_of_strip(b + (k + block) * ld_b, block * ld_b / kGroup<T>, strip, strips, rows);
        fetches = &next;
      }
      multiply_rows<T, kLeft>(rows, block, rest < most_columns ? rest : most_columns, a_block, ld_a,
                              b + k * ld_b + column, ld_b, c + column, ld_c,
                              k > 0 ? Sums::go_on : into, fetches);
    }
  }
}

// z += b and a = f(z) over padded rows; z may be a.
template <class T, template <class> class F>
void bias_and_activation(std::size_t rows, std::size_t width, const T* b, T* z, T* a,
                         std::size_t ld) {
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < width; column += kGroup<T>) {
      T* z_group = z + row * ld + column;
      const Vec<T> z_value = Vec<T>::load(z_group) + Vec<T>::load(b + column);
      if (z != a) z_value.store(z_group);
      F<T>::value(z_value).store(a + row * ld + column);
    }
  }
}

template <class T, template <class> class F>
void activation_backward(std::size_t rows, std::size_t columns, T* d, std::size_t ld_d,
                         const T* z_or_a, std::size_t ld_z_or_a) {
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; column += kGroup<T>) {
      const Vec<T> derivative = F<T>::derivative(Vec<T>::load(z_or_a + row * ld_z_or_a + column));
      T* d_group = d + row * ld_d + column;
      (Vec<T>::load(d_group) * derivative).store(d_group);
    }
  }
}

#define DESCEND_ROW(name, from) bias_and_activation<T, activations::name>,
template <class T>
constexpr void (*kBiasAndActivation[])(std::size_t, std::size_t, const T*, T*, T*,
                                       std::size_t) = {DESCEND_ACTIVATIONS(DESCEND_ROW)};
#undef DESCEND_ROW
#define DESCEND_ROW(name, from) activation_backward<T, activations::name>,
template <class T>
constexpr void (*kActivationBackward[])(std::size_t, std::size_t, T*, std::size_t, const T*,
                                        std::size_t) = {DESCEND_ACTIVATIONS(DESCEND_ROW)};
#undef DESCEND_ROW

// So many rows that a block of outputs is still in the first cache when f comes over it.
constexpr std::size_t kRowBlock = 96;

template <class T>
void dense_forward(const DenseForward<T>& layer) {
  T* const z = layer.z == nullptr ? layer.a : layer.z;
  const auto finish = kBiasAndActivation<T>[static_cast<int>(layer.activation)];
  const std::size_t most =
      layer.lists == nullptr && layer.nonzeros != nullptr ? kGroupsTogether * kGroup<T> : kPanel<T>;
  for (std::size_t column = 0; column < layer.units; column += most) {
    const std::size_t rest = padded<T>(layer.units) - column;
    const std::size_t width = rest < most ? rest : most;
    if (layer.lists != nullptr || layer.nonzeros != nullptr) {
      const auto* const forward = layer.lists != nullptr ? kForwardLists<T> : kForwardNonzeros<T>;
      forward[width / kGroup<T> - 1](layer, column, z);
      finish(layer.rows, width, layer.b + column, z + column, layer.a + column, layer.ld_a);
      continue;
    }
    const T* w = layer.w + layer.inputs * column;
    for (std::size_t row = 0; row < layer.rows; row += kRowBlock) {
      const std::size_t rows = layer.rows - row < kRowBlock ? layer.rows - row : kRowBlock;
      const std::size_t place = row * layer.ld_a + column;
      multiply_panel<T, Left::by_rows>(rows, layer.inputs, panel_columns<T>(layer.units, column),
                                       layer.x + row * layer.ld_x, layer.ld_x, w, width, z + place,
                                       layer.ld_a, Sums::replace, nullptr, Behind::next);
      finish(rows, width, layer.b + column, z + place, layer.a + place, layer.ld_a);
    }
  }
}

// out (units, width) = w[input .. input + width, unit_begin .. unit_end] transposed; columns past
// the last input are 0.
template <class T>
void transpose_weights(const DenseBackwardInput<T>& layer, std::size_t input, std::size_t width,
                       std::size_t unit_begin, std::size_t unit_end, T* out) {
  for (std::size_t unit = unit_begin; unit < unit_end; unit += kGroup<T>) {
    const std::size_t panel = unit / kPanel<T> * kPanel<T>;
    const std::size_t ld_w = panel_width<T>(layer.units, panel);
    const T* w = layer.w + layer.inputs * panel + (unit - panel);
    for (std::size_t column = 0; column < width; column += kGroup<T>) {
      T* block = out + (unit - unit_begin) * width + column;
      const std::size_t first = input + column;
      if (first + kGroup<T> <= layer.inputs) {
        transpose_block(w + first * ld_w, ld_w, block, width);
        continue;
      }
      for (std::size_t i = 0; i < kGroup<T>; ++i) {
        for (std::size_t j = 0; j < kGroup<T>; ++j) {
          block[j * width + i] = first + i < layer.inputs ? w[(first + i) * ld_w + j] : T{0};
        }
      }
    }
  }
}

template <class T>
void dense_backward_input(const DenseBackwardInput<T>& layer) {
  const auto derive = kActivationBackward<T>[static_cast<int>(layer.activation_below)];
  for (std::size_t input = layer.input_begin; input < layer.input_end; input += kPanel<T>) {
    const std::size_t width = panel_width<T>(layer.inputs, input);
    T* d = layer.d_z_below + input;
    for (std::size_t unit = 0; unit < layer.units; unit += kDepthBlock) {
      const std::size_t rest = layer.units - unit;
      const std::size_t depth = rest < kDepthBlock ? rest : kDepthBlock;
      transpose_weights(layer, input, width, unit, unit + depth, layer.scratch);
      multiply_panel<T, Left::by_rows>(layer.rows, depth, panel_columns<T>(layer.inputs, input),
                                       layer.d_z + unit, layer.ld_d_z, layer.scratch, width, d,
                                       layer.ld_below, unit > 0 ? Sums::go_on : Sums::replace,
                                       nullptr, Behind::nothing);
    }
    if (layer.z_or_a_below != nullptr) {
      derive(layer.rows, width, d, layer.ld_below, layer.z_or_a_below + input, layer.ld_below);
    }
  }
}

template <class T>
void dense_backward_weights(const DenseBackwardWeights<T>& layer) {
  const std::size_t width = panel_width<T>(layer.units, layer.column_begin);
  if (layer.columns.elements != nullptr) return kBackwardLists<T>[width / kGroup<T> - 1](layer);
  if (layer.nonzeros != nullptr) return kBackwardNonzeros<T>[width / kGroup<T> - 1](layer);
  const T* const* const ahead = layer.read_next;
  const Fetches<T> of_row{{ahead[0], ahead[1], ahead[2]}, width / kGroup<T>};
  multiply_panel<T, Left::transposed>(
      layer.input_end - layer.input_begin, layer.rows,
      panel_columns<T>(layer.units, layer.column_begin), layer.x + layer.input_begin, layer.ld_x,
      layer.d_z + layer.column_begin, layer.ld_d_z, layer.d_w, width, layer.sums,
      ahead[0] == nullptr ? nullptr : &of_row, Behind::nothing);
}

template <class T>
void dense_backward_bias(const DenseBackwardBias<T>& layer) {
  for (std::size_t column = 0; column < layer.columns; column += kGroup<T>) {
    T* const d_b = layer.d_b + column;
    Vec<T> sum = layer.sums == Sums::go_on ? Vec<T>::load(d_b) : Vec<T>::zero();
    for (std::size_t row = 0; row < layer.rows; ++row) {
      sum = sum + Vec<T>::load(layer.d_z + row * layer.ld_d_z + column);
    }
    if (layer.sums == Sums::add) sum = Vec<T>::load(d_b) + sum;
    sum.store(d_b);
  }
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
