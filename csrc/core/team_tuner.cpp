#include "core/team_tuner.hpp"

#include <algorithm>

namespace descend::core {

namespace {

// A try has so many stretches, of which the first wakes threads and warms caches.
constexpr double kStretchSeconds = 3e-4;
constexpr int kStretches = 3;
// Tries are a fiftieth of the time, and more only where pieces become so many times as slow.
constexpr double kSettledTimes = 50.0;
constexpr double kSlowdown = 1.25;
// Stretches in between have so many times the time of the tries.
constexpr double kSettledStretch = 5.0;

std::size_t pieces_in(double seconds, double piece) {
  return piece > 0.0 ? static_cast<std::size_t>(std::clamp(seconds / piece, 1.0, 1e9)) : 1;
}

}  // namespace

std::size_t TeamTuner::pieces() const {
  if (!tunes_) return static_cast<std::size_t>(-1);
  return pieces_in(settled_ > 0.0 ? settled_stretch_ : kStretchSeconds, piece_);
}

void TeamTuner::record(std::size_t pieces, double seconds) {
  if (!tunes_ || pieces == 0) return;
  piece_ = seconds / static_cast<double>(pieces);
  if (settled_ > 0.0) {
    settled_ -= seconds;
    if (settled_ <= 0.0 || piece_ > kSlowdown * best_) {
      workers_ = most_;
      settled_ = best_ = 0.0;
    }
    return;
  }
  if (tried_seconds_ > 0.0) {
    fastest_stretch_ = fastest_stretch_ == 0.0 ? piece_ : std::min(fastest_stretch_, piece_);
  }
  tried_seconds_ += seconds;
  if (tried_seconds_ >= kStretchSeconds * kStretches && fastest_stretch_ > 0.0) finish_try();
}

void TeamTuner::finish_try() {
  const int tried = workers();
  all_tries_ += tried_seconds_;
  const bool faster = best_ == 0.0 || fastest_stretch_ < best_;
  if (faster) {
    best_ = fastest_stretch_;
    best_workers_ = tried;
  }
  tried_seconds_ = fastest_stretch_ = 0.0;
  if (faster && tried > 1) {
    workers_ = tried / 2;
    return;
  }
  workers_ = best_workers_;
  piece_ = best_;
  settled_ = kSettledTimes * all_tries_;
  settled_stretch_ = kSettledStretch * all_tries_;
  all_tries_ = 0.0;
}

}  // namespace descend::core
