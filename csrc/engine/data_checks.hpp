// Checks of data at the public boundary; messages begin with `where`, the function called. They
// read the data where they stand, a part at a time, and convert at most a few KiB of them at once.
#pragma once

#include <cstddef>
#include <vector>

#include "core/interrupt_poll.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"

namespace descend::engine {

/// How long checks go on. Asked by `interrupt` to end, they throw core::Interrupted.
struct CheckOptions {
  int threads = 1;                           ///< 0: as many as the work is worth
  core::InterruptPoll* interrupt = nullptr;  ///< null: asks nobody
};

/// Throws std::invalid_argument unless `targets` are `rows` rows that `loss` takes for `outputs`
/// outputs: of the right shape, finite as `dtype` and in the loss's range.
void check_targets(const char* where, const Targets& targets, Loss loss, std::size_t rows,
                   std::size_t outputs, DType dtype, const CheckOptions& options);

/// The weights as double, scaled by a power of two so that the largest is in [1/2, 1); empty where
/// none are given. Throws std::invalid_argument unless they are `rows` finite numbers of at least
/// 0, not all 0.
std::vector<double> checked_weights(const char* where, ConstVectorView weights, std::size_t rows);

/// Throws std::invalid_argument unless every element of `matrix` is finite, also as `dtype`.
/// `what` is the matrix's name. Integers are, and are not read.
void check_finite(const char* where, const char* what, const ConstMatrixView& matrix, DType dtype,
                  const CheckOptions& options);

}  // namespace descend::engine
