// Asks now and then, over all blocks, steps and epochs of a call, whether it should end.
#pragma once

#include <chrono>
#include <functional>

namespace descend::core {

/// Thrown where a call is to end before it has changed anything.
struct Interrupted {};

class InterruptPoll {
 public:
  using Clock = std::chrono::steady_clock;

  /// `interrupted` may be empty, and is kept by reference.
  explicit InterruptPoll(const std::function<bool()>& interrupted) : interrupted_(interrupted) {}

  /// Whether it is time to ask again.
  bool due(Clock::time_point now) const { return interrupted_ && now - asked_ >= kPeriod; }

  bool ask() {
    asked_ = Clock::now();
    return interrupted_();
  }

 private:
  static constexpr std::chrono::milliseconds kPeriod{20};

  const std::function<bool()>& interrupted_;
  Clock::time_point asked_ = Clock::now();
};

}  // namespace descend::core
