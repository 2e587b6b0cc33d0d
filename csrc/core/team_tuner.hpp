// How many threads a repeated piece of work is worth, found out by measuring it: beside other
// programs, or where cores are far from each other, fewer threads may be faster than the work
// predicts. The choice changes no result, only when it comes.
#pragma once

#include <cstddef>

namespace descend::core {

/// Tries `most` threads, half of them, and so on down to one as long as fewer are faster; goes on
/// with the fastest, and tries again after fifty times as long, or when that becomes slow.
class TeamTuner {
 public:
  /// With `tunes` false, always `most`.
  explicit TeamTuner(int most = 1, bool tunes = false) : most_(most), tunes_(tunes && most > 1) {}

  /// The threads for the next stretch of the work.
  int workers() const { return workers_ == 0 ? most_ : workers_; }

  /// How many pieces the next stretch may have.
  std::size_t pieces() const;

  /// Says how long a stretch with workers() threads took.
  void record(std::size_t pieces, double seconds);

 private:
  void finish_try();

  int most_;
  bool tunes_;
  int workers_ = 0;  // 0: most_
  // The try at work: its seconds so far, and the fastest of its stretches but the first.
  double tried_seconds_ = 0.0;
  double fastest_stretch_ = 0.0;  // seconds of a piece; 0: none yet
  // The fastest of the tries, which the work goes on with.
  int best_workers_ = 0;
  double best_ = 0.0;  // seconds of a piece; 0: none yet
  double all_tries_ = 0.0;
  double settled_ = 0.0;          // seconds left before the next tries
  double settled_stretch_ = 0.0;  // seconds of the stretches until then
  double piece_ = 0.0;            // seconds of a piece, lately
};

}  // namespace descend::core
