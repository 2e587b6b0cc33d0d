// Asks now and then, over all blocks, steps and epochs of a call, whether it should end.
#pragma once

#include <chrono>
#include <exception>
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

  /// Whether the call is to end: where `interrupted` says so, or throws.
  bool ask() noexcept {
    asked_ = Clock::now();
    try {
      return interrupted_();
    } catch (...) {
      failure_ = std::current_exception();
      return true;
    }
  }

  /// Throws what `interrupted` threw, if anything; called outside of a team, and of locks.
  void throw_failure() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  /// Ends a call that has changed nothing yet.
  [[noreturn]] void end() const {
    throw_failure();
    throw Interrupted{};
  }

 private:
  static constexpr std::chrono::milliseconds kPeriod{20};

  const std::function<bool()>& interrupted_;
  Clock::time_point asked_ = Clock::now();
  std::exception_ptr failure_;
};

}  // namespace descend::core
