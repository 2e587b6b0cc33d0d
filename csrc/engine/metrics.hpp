// Metrics of outputs that stand in memory, in double and in one thread: their bits depend on the
// outputs alone.
#pragma once

#include <cstddef>

#include "core/interrupt_poll.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"
#include "descend/metric.hpp"
#include "engine/examples.hpp"

namespace descend::engine {

/// Raw outputs of a network trained by `loss`, beside their targets. They have passed the checks.
struct Measured {
  Loss loss;
  ConstMatrixView outputs;
  Targets targets;
  const double* weights;           ///< a row, not all 0 over `rows`; null: all 1
  Rows rows;                       ///< those that count
  core::InterruptPoll* interrupt;  ///< null: asks nobody
};

/// Throws std::invalid_argument, beginning with `where`, where a network of so many outputs trained
/// by `loss` has no such metric.
void check_metric(const char* where, const Metric& metric, Loss loss, std::size_t outputs);

/// Throws std::bad_alloc, and core::Interrupted.
double measure(const Metric& metric, const Measured& measured);

}  // namespace descend::engine
