// Masks of inverted dropout (Srivastava et al., 2014): 0 or 1 / (1 - rate), so that the mean of a
// stays as it is. A mask depends on the key and on the row's index alone, not on the batch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/examples.hpp"

namespace descend::engine {

/// When and where a mask is drawn.
struct DropoutKey {
  std::uint64_t seed;     ///< the trainer's
  std::uint32_t purpose;  ///< core::kDropoutStream, or core::kStepDropoutStream in Trainer.step
  std::uint64_t index;    ///< the epoch; in Trainer.step the steps done before
  std::uint32_t layer;    ///< 0: the inputs; l + 1: the output of dense layer l
};

/// Writes the masks of `rows`, `columns` wide, and zeros up to the end of the last group.
/// `rate` in [0, 1); `mask` is (rows.count, columns) with `ld_mask` elements between row starts,
/// whole groups.
template <class T>
void dropout_mask(const DropoutKey& key, double rate, const Rows& rows, std::size_t columns,
                  T* mask, std::size_t ld_mask);

extern template void dropout_mask(const DropoutKey&, double, const Rows&, std::size_t, float*,
                                  std::size_t);
extern template void dropout_mask(const DropoutKey&, double, const Rows&, std::size_t, double*,
                                  std::size_t);

}  // namespace descend::engine
