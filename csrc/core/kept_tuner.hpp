// A tuner that goes on where the last one of the same work ended in this process: fits of one
// network after another, as in a cross-validation, try their teams once.
#pragma once

#include <cstddef>
#include <tuple>

#include "core/team_tuner.hpp"

namespace descend::core {

/// What a piece is.
enum class TunedPiece { step, gradient };  // of a trainer; of a network's loss_and_gradient

/// What makes two tuners comparable.
struct TunedWork {
  TunedPiece piece;
  int most_workers;
  std::size_t rows;          ///< of a piece
  std::size_t parameters;    ///< of the network
  std::size_t element_size;  ///< bytes

  friend bool operator<(const TunedWork& a, const TunedWork& b) {
    return std::tie(a.piece, a.most_workers, a.rows, a.parameters, a.element_size) <
           std::tie(b.piece, b.most_workers, b.rows, b.parameters, b.element_size);
  }
};

/// Whether teams are tried for pieces of so many floating-point operations, where the caller
/// requests no number of threads (0): longer ones gain by every thread, and trying fewer would take
/// long.
inline bool worth_tuning(int requested, double flops) { return requested == 0 && flops < 1e9; }

/// Kept for the next one when it is destroyed; without `tunes` as TeamTuner's, and not kept.
class KeptTuner {
 public:
  KeptTuner(const TunedWork& work, bool tunes);
  ~KeptTuner();
  KeptTuner(const KeptTuner&) = delete;
  KeptTuner& operator=(const KeptTuner&) = delete;

  TeamTuner& tuner() { return tuner_; }

 private:
  const TunedWork work_;
  const bool tunes_;
  TeamTuner tuner_;
};

}  // namespace descend::core
