// Where the workers of a team meet during long work, and now and then wait while worker 0 asks
// whether to go on.
#pragma once

#include <functional>
#include <utility>

#include "core/interrupt_poll.hpp"
#include "core/thread_team.hpp"

namespace descend::core {

class MeetingPoint {
 public:
  /// `ask` is called while nobody else works; true ends the work. `poll` says when it is due.
  MeetingPoint(const InterruptPoll& poll, std::function<bool()> ask)
      : poll_(poll), ask_(std::move(ask)) {}

 private:
  friend class Pace;
  const InterruptPoll& poll_;
  std::function<bool()> ask_;
  bool due_[2] = {false, false};  // of this meeting and the one before, which some still read
  bool ended_ = false;
};

/// One worker's way from meeting to meeting; all workers of the team make the same calls.
class Pace {
 public:
  /// Floating-point operations between two meetings: a few milliseconds of one thread.
  static constexpr double kFlops = 1 << 29;

  Pace(MeetingPoint& point, const Worker& worker) : point_(point), worker_(worker) {}

  /// Waits for the others. Returns, the same in all of them, whether to go on.
  bool meet() {
    bool& due = point_.due_[meetings_++ % 2];
    if (worker_.index == 0) due = point_.poll_.due(InterruptPoll::Clock::now());
    worker_.wait();
    if (!due) return true;
    if (worker_.index == 0) point_.ended_ = point_.ask_();
    worker_.wait();
    return !point_.ended_;
  }

  /// As meet(), where `flops` more operations make it worth while.
  bool meet_after(double flops) {
    flops_ += flops;
    if (flops_ < kFlops) return true;
    flops_ = 0.0;
    return meet();
  }

 private:
  MeetingPoint& point_;
  const Worker& worker_;
  unsigned meetings_ = 0;
  double flops_ = 0.0;
};

}  // namespace descend::core
