// How many threads a repeated piece of work is worth, found out by measuring it: beside other
// programs, or where cores are far from each other, fewer threads may be faster than the work
// predicts. The choice changes no result, only when it comes.
#pragma once

#include <chrono>
#include <cstddef>

namespace descend::core {

/// Tries `most` threads and half of them by turns, half of those if that is faster, and so on; goes
/// on with the fastest, and tries again after four times as long, then eight and up to fifty times,
/// or when that becomes slow: where a smaller team was faster than it is now, that one takes over
/// at once. In between it has a glance at the next larger team now and then: where a virtual
/// machine gives its processors places anew whenever they have slept, threads that were far from
/// each other may be near the next time.
class TeamTuner {
 public:
  /// With `tunes` false, always `most`.
  explicit TeamTuner(int most = 1, bool tunes = false)
      : most_(most), tunes_(tunes && most > 1), workers_(most) {}

  /// The threads for the next stretch of the work.
  int workers() const;

  /// How many pieces the next stretch may have.
  std::size_t pieces() const;

  /// Says how long a stretch with workers() threads took: of whole pieces, or with a smaller one.
  void record(double pieces, double seconds);

  /// Times a stretch and records it: work(workers()) returns how many pieces it did.
  template <class Work>
  void run_stretch(const Work& work) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point begin = Clock::now();
    const double pieces = work(workers());
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    record(pieces, seconds.count());
  }

 private:
  enum class Phase { trying, settled, glancing };

  bool tries_larger() const;
  int next_larger() const;
  void try_again(int workers);
  void try_stretch(double seconds);
  void settle();
  double check_seconds() const;
  void go_on(double pieces, double seconds);
  void go_on_smaller();
  void glance(double pieces, double seconds);
  void go_on_until_glance(double lost);

  int most_;
  bool tunes_;
  Phase phase_ = Phase::trying;
  int workers_;         // the larger team of those tried, then the fastest
  double piece_ = 0.0;  // seconds of a piece, lately
  // The tries, or a glance: which stretch comes, and the fastest piece of each team.
  int stretch_ = 0;
  double larger_ = 0.0, smaller_ = 0.0;  // 0: none yet
  double tried_ = 0.0;                   // seconds of all tries
  double lost_ = 0.0;                    // seconds that a glance took longer than no glance
  // Between them: seconds left until the next tries and the next glance, of one stretch, and of a
  // piece at first; the stretch at work, which may come in parts.
  double settled_ = 0.0, until_glance_ = 0.0, settled_stretch_ = 0.0, settled_piece_ = 0.0;
  double part_seconds_ = 0.0, part_pieces_ = 0.0;
  double smaller_piece_ = 0.0;  // of the next smaller team in the tries; 0: not known
  double settled_times_ = 4.0;  // as long as the tries, next time
};

}  // namespace descend::core
