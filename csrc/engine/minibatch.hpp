// The rows of one step, or of a part of it.
#pragma once

#include <cstddef>

#include "engine/dropout.hpp"
#include "engine/examples.hpp"

namespace descend::engine {

/// Rows whose activations are held at a time; the sums over more rows go on, block after block,
/// with the same bits.
constexpr std::size_t kBlockRows = 1024;

/// Blocks of a minibatch's rows over which a gradient is summed, where it is a sum over such.
constexpr std::size_t kRowBlocks = 4;

struct Minibatch {
  Examples examples;
  Rows rows;
  double total_weight;        ///< by which the rows' weights are divided
  const DropoutKey* dropout;  ///< its layer is not read; null: no units are dropped
  /// Of T, (rows of the examples, outputs): where the rows' outputs are written, each at its row's
  /// place; null: nowhere.
  void* outputs = nullptr;
  double label_smoothing = 0.0;  ///< as TrainerOptions has it
};

}  // namespace descend::engine
