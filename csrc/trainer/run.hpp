// One run of fit(): epochs, validation, stopping conditions, and the caller's functions.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "core/interrupt_poll.hpp"
#include "descend/trainer.hpp"
#include "network/state.hpp"
#include "trainer/batches.hpp"
#include "trainer/outputs.hpp"
#include "trainer/state.hpp"

namespace descend::trainer {

// What a run is asked for, checked.
struct Task {
  const FitOptions& options;
  const network::CheckedExamples* examples;    // or null
  Batches* batches;                            // or null: an epoch of them has begun
  const network::CheckedExamples* validation;  // or null
  Outputs* validation_outputs;                 // with metrics; or null
  core::InterruptPoll& interrupt;
};

// A run at work: it ends when this is destroyed, also by an exception.
class Run {
 public:
  Run(State& state, const Task& task);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  History go_on();

 private:
  static RunRecord& begun(State& state, const Task& task);
  /// The next epoch. Returns whether it can begin.
  bool begin_epoch();
  /// Visit the epoch's rows or batches, up to the end or a reason to end.
  void visit_rows();
  void visit_batches();
  /// Judges the steps of the epoch that has ended, and says so to the caller.
  void finish_epoch();
  void judge(double loss);
  std::optional<double> validate();
  /// Of the outputs of the rows visited and of the validation.
  void measure_epoch(EpochReport& report);
  void stop_for(StopReason reason) {
    if (!record_.reason) record_.reason = reason;
  }

  std::optional<Clock::time_point> deadline() const;
  std::size_t most_steps() const;
  std::size_t steps_to_callback() const;
  void call_on_step(double loss);
  void call_on_epoch(const EpochReport& report);

  /// Of the run so far.
  std::size_t steps() const {
    return record_.history.steps + (record_.epoch ? record_.epoch->progress.steps : 0);
  }
  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(Clock::now() - start_).count();
  }

  State& state_;
  const Task& task_;
  const FitOptions& options_ = task_.options;
  const Stop& stop_ = options_.stop;
  RunRecord& record_;
  const double seconds_before_ = record_.history.seconds;  // of the run's earlier calls
  const Clock::time_point start_ = Clock::now();
  std::size_t epochs_done_ = 0;
  engine::Rows visited_{};  // in the last epoch
};

}  // namespace descend::trainer
