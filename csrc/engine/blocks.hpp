// Rows in any number through an engine that holds kBlockRows of them at a time.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/meeting_point.hpp"
#include "core/thread_team.hpp"
#include "engine/cpu_engine.hpp"

namespace descend::engine {

/// Takes the rows of `batch` through the network and back, block after block, and calls
/// visit(block) behind each, which says whether to go on. All workers of the team call it together,
/// and visit() meets the others before the next block. Returns whether all blocks came to their
/// end, the same in every worker.
template <class T, class Visit>
bool for_each_block(CpuEngine<T>& engine, const core::Worker& worker, core::Pace& pace,
                    const Minibatch& batch, const T* theta, const Visit& visit) {
  for (std::size_t first = 0; first < batch.rows.count; first += kBlockRows) {
    Minibatch block = batch;
    block.rows = batch.rows.part(first, std::min(first + kBlockRows, batch.rows.count));
    if (!engine.backpropagate(worker, pace, block, theta) || !visit(block)) return false;
  }
  return true;
}

}  // namespace descend::engine
