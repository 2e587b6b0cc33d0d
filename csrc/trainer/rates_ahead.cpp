#include "trainer/rates_ahead.hpp"

#include <algorithm>

namespace descend::trainer {

std::size_t RatesAhead::take(std::uint64_t first, std::size_t steps) {
  if (same_) return steps;
  std::size_t taken = 0;
  try {
    if (learning_rate_.counts_epochs()) {
      same_ = learning_rate_.at(epoch_);
      return steps;
    }
    for (const std::size_t most = std::min(steps, kMost); taken < most; ++taken) {
      rates_[taken] = learning_rate_.at(first + taken);
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
  return taken;
}

}  // namespace descend::trainer
