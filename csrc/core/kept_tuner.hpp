// A tuner that goes on where the last one of the same work ended in this process: fits of one
// network after another, as in a cross-validation, try their teams once.
#pragma once

#include <cstddef>
#include <tuple>

#include "core/team_tuner.hpp"

namespace descend::core {

/// What makes two tuners comparable.
struct TunedWork {
  int most_workers;
  std::size_t rows;          ///< of a piece
  std::size_t parameters;    ///< of the network
  std::size_t element_size;  ///< bytes

  friend bool operator<(const TunedWork& a, const TunedWork& b) {
    return std::tie(a.most_workers, a.rows, a.parameters, a.element_size) <
           std::tie(b.most_workers, b.rows, b.parameters, b.element_size);
  }
};

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
