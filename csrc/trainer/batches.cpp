#include "trainer/batches.hpp"

#include <string>

#include "core/checks.hpp"

namespace descend::trainer {

void Batches::begin(std::size_t taken) {
  {
    const State::Callback callback(state_);
    next_ = source_();
  }
  for (number_ = 0; number_ < taken; ++number_) {
    if (next()) continue;
    throw core::invalid("Trainer.fit: the epoch has ", number_,
                        " batches, but the one that this trainer was saved in had taken ", taken,
                        "; give that run's batches, or give the run up with discard_run.");
  }
  take();
  if (!has_batch() && taken == 0) {
    throw core::invalid("Trainer.fit: epoch ", state_.epoch() + 1,
                        " has no batch; each epoch needs a fresh pass over them.");
  }
}

void Batches::take() {
  examples_.reset();
  if (!next()) return;
  const std::string where = core::text("Trainer.fit: batch ", number_);
  examples_.emplace(where.c_str(), *state_.network(), batch_.inputs, batch_.targets, state_.loss(),
                    batch_.sample_weight,
                    engine::CheckOptions{state_.options().threads, &interrupt_},
                    state_.options().class_weight);
  ++number_;
  state_.reserve(examples_->rows(), *examples_);
}

bool Batches::next() {
  const State::Callback callback(state_);
  batch_ = {};
  return next_(batch_);
}

}  // namespace descend::trainer
