// How a check goes through data: a part at a time, asking now and then whether to end.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/interrupt_poll.hpp"
#include "engine/data_checks.hpp"

namespace descend::engine {

/// Rows of one part, a few milliseconds of reading, also from a disk.
inline std::size_t part_rows(std::size_t row_bytes) {
  constexpr std::size_t kPartBytes = std::size_t{1} << 20;
  return kPartBytes / row_bytes + 1;
}

inline bool asked_to_end(const CheckOptions& options) {
  core::InterruptPoll* const interrupt = options.interrupt;
  return interrupt != nullptr && interrupt->due(core::InterruptPoll::Clock::now()) &&
         interrupt->ask();
}

/// Calls visit(begin, end) for one part of `rows` rows after the other. Throws core::Interrupted.
template <class Visit>
void for_each_part(std::size_t rows, std::size_t row_bytes, const CheckOptions& options,
                   const Visit& visit) {
  const std::size_t part = part_rows(row_bytes);
  for (std::size_t begin = 0; begin < rows; begin += part) {
    visit(begin, std::min(begin + part, rows));
    if (asked_to_end(options)) options.interrupt->end();
  }
}

}  // namespace descend::engine
