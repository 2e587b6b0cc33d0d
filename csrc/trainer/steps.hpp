// What the steps of an epoch have in common on any device: what ends them, what is recorded of
// them, and what the caller is asked between them.
#pragma once

#include <cstddef>
#include <exception>
#include <optional>

#include "core/shared_mutex.hpp"
#include "trainer/epoch_loop.hpp"
#include "trainer/rates_ahead.hpp"

namespace descend::trainer {

/// What ends the epoch after a step, `steps` of it done.
std::optional<StopReason> condition_met(const EpochPlan& plan, std::size_t steps);

/// Steps to come, minibatches without weight among them.
std::size_t most_steps_left(const EpochPlan& plan, const EpochProgress& progress);

/// The penalty of a minibatch whose rows' weights sum to `weight`.
engine::Penalty penalty_of(const EpochPlan& plan, double weight);

/// What the caller's code is asked while nobody is at work. It may use the network, such as a
/// signal's handler does, which is not locked then.
class Question {
 public:
  explicit Question(const EpochPlan& plan) : plan_(plan) {}

  /// What `question`, which does not throw, answers.
  template <class Callable>
  auto asked(const Callable& question) {
    const std::size_t writers = plan_.lock->mutex()->writers();
    plan_.lock->unlock();
    const auto answer = question();
    plan_.lock->lock();
    if (plan_.lock->mutex()->writers() != writers + 1) ++parameter_sets_;
    return answer;
  }

  /// Whether to end the run.
  bool interrupted() {
    return asked([this] { return plan_.interrupt->ask(); });
  }

  /// How many times the parameters became others than the last step's: before the first step, and
  /// where somebody set them meanwhile.
  std::size_t parameter_sets() const { return parameter_sets_; }

 private:
  const EpochPlan& plan_;
  std::size_t parameter_sets_ = 1;
};

/// How many of the steps to come, up to `most`, have a learning rate, which is asked for where the
/// rates are not known.
std::size_t steps_with_rates(RatesAhead& rates, Question& question, const EpochPlan& plan,
                             const EpochProgress& progress, std::size_t most);

/// Where that gave no step: why the next one has no rate; null where none is to come.
std::exception_ptr missing_rate(const RatesAhead& rates, const EpochPlan& plan,
                                const EpochProgress& progress);

/// A step that was taken.
struct TakenStep {
  double loss;  ///< sum_i w_i L_i
  double weight;
  double penalty;
  std::size_t rows;
  double learning_rate;
  engine::NoiseMoments noise;  ///< 0 where it was not measured
};

/// Adds it to what the epoch gave so far.
void record(const TakenStep& step, const EpochPlan& plan, EpochProgress& progress);

}  // namespace descend::trainer
