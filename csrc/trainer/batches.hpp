// The caller's minibatches, epoch after epoch, each checked when it is taken.
#pragma once

#include <cstddef>
#include <optional>

#include "core/interrupt_poll.hpp"
#include "descend/trainer.hpp"
#include "network/state.hpp"
#include "trainer/state.hpp"

namespace descend::trainer {

class Batches {
 public:
  /// Everything is kept by reference.
  Batches(State& state, const BatchSource& source, core::InterruptPoll& interrupt)
      : state_(state), source_(source), interrupt_(interrupt) {}

  /// Begins an epoch behind its first `taken` batches, and takes the next one. An exception of the
  /// source is the caller's. Throws std::invalid_argument where an epoch has no batch, or has fewer
  /// than were taken, and as take() does.
  void begin(std::size_t taken);
  /// Takes the next batch, and makes room for its step. Throws std::invalid_argument, which says
  /// the batch's number, where it does not fit, and core::Interrupted.
  void take();

  /// Whether a batch was taken; otherwise the epoch is over.
  bool has_batch() const { return examples_.has_value(); }
  const network::CheckedExamples& examples() const { return *examples_; }

 private:
  bool next();

  State& state_;
  const BatchSource& source_;
  core::InterruptPoll& interrupt_;
  NextBatch next_;
  Batch batch_;
  std::optional<network::CheckedExamples> examples_;
  std::size_t number_ = 0;  // of the batch to come
};

}  // namespace descend::trainer
