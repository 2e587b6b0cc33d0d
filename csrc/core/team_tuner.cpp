#include "core/team_tuner.hpp"

#include <algorithm>

namespace descend::core {

namespace {

// Each team has so many turns of so many stretches, of which the fastest counts: after a turn of
// fewer threads the system needs some milliseconds to give the others a processor of their own.
constexpr double kStretchSeconds = 1e-3;
constexpr int kStretches = 6;
constexpr int kTurns = 2;
// Tries are a fiftieth of the time, but at first: what came before, such as threads of others that
// still spin, may have decided them; and where pieces become so many times as slow.
constexpr double kMostSettledTimes = 50.0;
constexpr double kSlowdown = 1.25;
// A team that becomes slower than a smaller one was in the tries gives way to it after one turn.
constexpr double kLeastSlowdown = 1.1;
constexpr double kTurnSeconds = kStretches * kStretchSeconds;
// A smaller team that is as slow as that after so many stretches of a turn has no more of them: the
// first fits of 60 epochs of a millisecond take 8 % less.
constexpr int kFewStretches = 3;
// Stretches in between have so many times the time of the tries.
constexpr double kSettledStretch = 3.0;
// A glance takes so many seconds longer than no glance would, or so many stretches, or until the
// larger team is faster by a part. The next one comes after so many times as long. That is long
// enough for a system to move threads that share a core, if it costs little.
constexpr double kGlanceSeconds = 4e-3;
constexpr int kMostGlanceStretches = 100;
constexpr double kGain = 1.05;
constexpr double kGlanceTimes = 30.0;

double faster_of(double time, double piece) { return time == 0.0 ? piece : std::min(time, piece); }

std::size_t pieces_in(double seconds, double piece) {
  return piece > 0.0 ? static_cast<std::size_t>(std::clamp(seconds / piece, 1.0, 1e9)) : 1;
}

}  // namespace

int TeamTuner::workers() const {
  switch (phase_) {
    case Phase::trying: return tries_larger() ? workers_ : workers_ / 2;
    case Phase::glancing: return next_larger();
    default: return workers_;
  }
}

std::size_t TeamTuner::pieces() const {
  if (!tunes_) return static_cast<std::size_t>(-1);
  if (phase_ != Phase::settled) return pieces_in(kStretchSeconds, piece_);
  return pieces_in(std::min(check_seconds(), until_glance_), piece_);
}

void TeamTuner::record(double pieces, double seconds) {
  if (!tunes_ || pieces == 0.0) return;
  piece_ = seconds / pieces;
  switch (phase_) {
    case Phase::trying: return try_stretch(seconds);
    case Phase::settled: return go_on(pieces, seconds);
    case Phase::glancing: return glance(pieces, seconds);
  }
}

bool TeamTuner::tries_larger() const { return stretch_ / kStretches % 2 == 0; }

// Of the teams that are tried.
int TeamTuner::next_larger() const {
  int team = most_;
  while (team / 2 > workers_) team /= 2;
  return team;
}

void TeamTuner::try_again(int workers) {
  phase_ = Phase::trying;
  workers_ = workers;
  stretch_ = 0;
  larger_ = smaller_ = 0.0;
}

void TeamTuner::try_stretch(double seconds) {
  tried_ += seconds;
  double& time = tries_larger() ? larger_ : smaller_;
  time = faster_of(time, piece_);
  const bool is_clear = !tries_larger() && stretch_ % kStretches + 1 >= kFewStretches &&
                        smaller_ > kSlowdown * larger_;
  if (++stretch_ < 2 * kTurns * kStretches && !is_clear) return;
  const bool smaller_is_faster = smaller_ < larger_;
  if (smaller_is_faster && workers_ > 3) {
    try_again(workers_ / 2);
    return;
  }
  if (smaller_is_faster) workers_ /= 2;
  smaller_piece_ = smaller_is_faster ? 0.0 : smaller_;
  settle();
}

void TeamTuner::settle() {
  settled_piece_ = std::min(larger_, smaller_);
  settled_ = settled_times_ * tried_;
  settled_times_ = std::min(2 * settled_times_, kMostSettledTimes);
  settled_stretch_ = kSettledStretch * tried_;
  go_on_until_glance(kTurns * kTurnSeconds * (1.0 - settled_piece_ / larger_));
}

// The next glance comes the later, the more seconds the larger team has just lost.
void TeamTuner::go_on_until_glance(double lost) {
  phase_ = Phase::settled;
  part_seconds_ = part_pieces_ = 0.0;
  until_glance_ = workers_ == most_ ? settled_ : std::max(kGlanceTimes * lost, kTurnSeconds);
}

// How long it works between two looks at its speed.
double TeamTuner::check_seconds() const {
  return smaller_piece_ > 0.0 ? kTurnSeconds : settled_stretch_;
}

void TeamTuner::go_on(double pieces, double seconds) {
  settled_ -= seconds;
  until_glance_ -= seconds;
  part_seconds_ += seconds;
  part_pieces_ += pieces;
  const bool knows_smaller = smaller_piece_ > 0.0;
  bool is_slow = false;
  if (part_seconds_ >= check_seconds()) {
    const double most = knows_smaller ? std::max(smaller_piece_, kLeastSlowdown * settled_piece_)
                                      : kSlowdown * settled_piece_;
    is_slow = part_seconds_ / part_pieces_ > most;
    if (is_slow && knows_smaller) return go_on_smaller();
    part_seconds_ = part_pieces_ = 0.0;
  }
  if (settled_ <= 0.0 || is_slow) {
    tried_ = 0.0;
    try_again(most_);
  } else if (until_glance_ <= 0.0) {
    phase_ = Phase::glancing;
    stretch_ = 0;
    larger_ = lost_ = 0.0;
  }
}

void TeamTuner::go_on_smaller() {
  const double lost = part_seconds_ - part_pieces_ * smaller_piece_;
  workers_ /= 2;
  settled_piece_ = smaller_piece_;
  smaller_piece_ = 0.0;
  go_on_until_glance(lost);
}

void TeamTuner::glance(double pieces, double seconds) {
  settled_ -= seconds;
  lost_ += seconds - settled_piece_ * pieces;
  larger_ = faster_of(larger_, piece_);
  ++stretch_;
  const bool is_faster = kGain * larger_ < settled_piece_;
  if (is_faster) {
    workers_ = next_larger();
    smaller_piece_ = settled_piece_;
    settled_piece_ = larger_;
  }
  if (is_faster || lost_ >= kGlanceSeconds || stretch_ == kMostGlanceStretches) {
    go_on_until_glance(lost_);
  }
}

}  // namespace descend::core
