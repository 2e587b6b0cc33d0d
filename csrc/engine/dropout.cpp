#include "engine/dropout.hpp"

#include <algorithm>
#include <iterator>

#include "core/philox.hpp"
#include "kernels/panels.hpp"

namespace descend::engine {

// One Philox block decides four columns of one row: word `column % 4` of the block
// (column / 4, row). A batch of blocks runs over the ends of rows, so that narrow layers fill it.
template <class T>
void dropout_mask(const DropoutKey& key, double rate, const Rows& rows, std::size_t columns,
                  T* mask, std::size_t ld_mask) {
  const core::PhiloxKey philox_key = core::philox_key(key.seed);
  const auto index = static_cast<std::uint32_t>(key.index);
  const std::uint32_t purpose = key.purpose | key.layer;
  const auto threshold = static_cast<std::uint32_t>(rate * 0x1p32);
  const T kept = static_cast<T>(1.0 / (1.0 - rate));

  std::uint64_t blocks[core::kPhiloxBatch] = {};
  T* places[core::kPhiloxBatch];
  std::uint32_t words[4 * core::kPhiloxBatch];
  T values[4 * core::kPhiloxBatch];
  std::size_t filled = 0;
  const auto draw = [&] {
    core::philox_batch(philox_key, blocks, index, purpose, words);
    for (std::size_t i = 0; i < std::size(words); ++i) {
      values[i] = words[i] < threshold ? T{0} : kept;
    }
    for (std::size_t i = 0; i < filled; ++i) std::copy_n(values + 4 * i, 4, places[i]);
    filled = 0;
  };

  for (std::size_t i = 0; i < rows.count; ++i) {
    const std::uint64_t row = rows[i];
    for (std::size_t column = 0; column < columns; column += 4) {
      blocks[filled] = row << 32 | column / 4;
      places[filled] = mask + i * ld_mask + column;
      if (++filled == core::kPhiloxBatch) draw();
    }
  }
  draw();
  for (std::size_t i = 0; i < rows.count; ++i) {
    T* row = mask + i * ld_mask;
    std::fill(row + columns, row + kernels::padded<T>(columns), T{0});
  }
}

template void dropout_mask(const DropoutKey&, double, const Rows&, std::size_t, float*,
                           std::size_t);
template void dropout_mask(const DropoutKey&, double, const Rows&, std::size_t, double*,
                           std::size_t);

}  // namespace descend::engine
