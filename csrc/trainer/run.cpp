#include "trainer/run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "core/checks.hpp"
#include "core/interrupt_poll.hpp"

namespace descend::trainer {

namespace {

using core::invalid;
using network::CheckedExamples;

constexpr const char* kWhere = "Trainer.fit";
constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

// What a run is asked for, checked.
struct Task {
  const FitOptions& options;
  const CheckedExamples& examples;
  const CheckedExamples* validation;  // or null
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
  static RunRecord& begun(State& state, const Stop& stop);
  /// Visits the epoch's rows, up to the end or a reason to end.
  void visit_epoch();
  /// Judges the steps of the epoch that has ended, and says so to the caller.
  void finish_epoch();
  void judge(double loss);
  std::optional<double> validate();
  void stop_for(StopReason reason) {
    if (!record_.reason) record_.reason = reason;
  }

  std::optional<Clock::time_point> deadline() const;
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
};

Run::Run(State& state, const Task& task)
    : state_(state), task_(task), record_(begun(state, task.options.stop)) {}

// The unfinished run, or another one. Where memory is short, the state keeps what it has.
RunRecord& Run::begun(State& state, const Stop& stop) {
  const network::State& network = *state.network();
  const bool goes_on = state.record.has_value();
  RunRecord record;
  if (stop.patience && !(goes_on && state.record->best)) record.best.emplace(network);
  if (stop.parameter_change && !(goes_on && state.record->before)) record.before.emplace(network);
  if (!goes_on) return state.record.emplace(std::move(record));
  RunRecord& earlier = *state.record;
  if (record.best || !stop.patience) earlier.best = std::move(record.best);
  if (record.before || !stop.parameter_change) earlier.before = std::move(record.before);
  return earlier;
}

Run::~Run() {
  if (record_.best) record_.best->parameters.restore(*state_.network());
  state_.record.reset();
  state_.extra = {};
}

History Run::go_on() {
  if (stop_.max_steps && steps() >= *stop_.max_steps) stop_for(StopReason::max_steps);
  while (record_.epoch || (!record_.reason && epochs_done_ < options_.epochs)) {
    if (!record_.epoch) record_.epoch = OpenEpoch{task_.examples.rows(), {}};
    {
      const State::EpochAtWork epoch(state_);
      visit_epoch();
    }
    if (record_.epoch->progress.steps == 0) break;  // interrupted within the first step
    finish_epoch();
  }
  History history = record_.history;
  history.seconds = seconds();
  history.stop_reason = record_.reason.value_or(StopReason::epochs);
  return history;
}

void Run::visit_epoch() {
  EpochProgress& progress = record_.epoch->progress;
  EpochPlan plan =
      state_.plan(task_.examples, state_.shuffled(task_.examples.rows()), task_.interrupt);
  plan.deadline = deadline();
  const std::size_t most_steps =
      stop_.max_steps ? *stop_.max_steps - record_.history.steps : kNever;
  while (!record_.reason && progress.visited < plan.rows.count) {
    const std::size_t callback_at = steps_to_callback();
    const std::size_t before = progress.steps;
    plan.max_steps = callback_at < most_steps - before ? before + callback_at : most_steps;
    const StretchEnd end = state_.run(kWhere, plan, progress);
    // The plan's last step may be the callback's alone.
    const bool is_callbacks = end.stop == StopReason::max_steps && progress.steps < most_steps;
    if (end.stop && !is_callbacks) record_.reason = end.stop;
    if (progress.steps - before == callback_at && record_.reason != StopReason::interrupted) {
      call_on_step(end.last_loss);
    }
  }
}

void Run::finish_epoch() {
  const EpochProgress progress = record_.epoch->progress;
  record_.epoch.reset();
  ++epochs_done_;
  const double loss = progress.loss_sum / progress.weight_sum;
  judge(loss);
  record_.history.loss.push_back(loss);
  record_.history.steps += progress.steps;

  EpochReport report{
      state_.epoch(),        loss, std::nullopt, progress.learning_rate, progress.rows,
      record_.history.steps, 0.0};
  if (task_.validation != nullptr && record_.reason != StopReason::interrupted) {
    report.validation_loss = validate();
  }
  report.seconds = record_.history.seconds = seconds();
  if (record_.reason != StopReason::interrupted) call_on_epoch(report);
}

// The conditions on the training loss and the parameters.
void Run::judge(double loss) {
  const std::vector<double>& losses = record_.history.loss;
  if (stop_.target_loss && loss <= *stop_.target_loss) stop_for(StopReason::target_loss);
  if (stop_.parameter_change) {
    const network::State& network = *state_.network();
    const double change = record_.before->distance(network);
    if (change < *stop_.parameter_change) stop_for(StopReason::parameter_change);
    record_.before->take(network);
  }
  if (stop_.loss_change && !losses.empty() && std::abs(loss - losses.back()) < *stop_.loss_change) {
    stop_for(StopReason::loss_change);
  }
}

// The loss on the validation rows; nothing where it is interrupted.
std::optional<double> Run::validate() {
  const std::optional<double> loss = state_.mean_loss(*task_.validation, task_.interrupt);
  if (!loss) {
    record_.reason = StopReason::interrupted;
    return std::nullopt;
  }
  record_.history.validation_loss.push_back(*loss);
  if (stop_.patience && record_.best->watch(*state_.network(), *loss) >= *stop_.patience) {
    stop_for(StopReason::patience);
  }
  return loss;
}

std::optional<Clock::time_point> Run::deadline() const {
  if (!stop_.seconds) return std::nullopt;
  // Beyond a century, steady_clock's counter would overflow.
  const double limit = std::min(*stop_.seconds - seconds_before_, 3e9);
  return start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit));
}

std::size_t Run::steps_to_callback() const {
  if (!options_.on_step) return kNever;
  return options_.every_n_steps - state_.steps() % options_.every_n_steps;
}

void Run::call_on_step(double loss) {
  record_.history.seconds = seconds();
  const StepReport report{state_.steps(),
                          state_.epoch() + 1,
                          loss,
                          record_.epoch->progress.learning_rate,
                          record_.epoch->progress.rows,
                          record_.history.seconds};
  const State::Callback callback(state_);
  if (!options_.on_step(report)) stop_for(StopReason::interrupted);
}

void Run::call_on_epoch(const EpochReport& report) {
  if (!options_.on_epoch) return;
  const State::Callback callback(state_);
  if (!options_.on_epoch(report)) stop_for(StopReason::interrupted);
}

}  // namespace

History fit(State& state, const ConstMatrixView& inputs, const Targets& targets,
            const FitOptions& options) {
  const State::Busy busy(kWhere, state);
  const bool goes_on = state.record.has_value();
  const OpenEpoch* unfinished = goes_on && state.record->epoch ? &*state.record->epoch : nullptr;
  if (options.epochs == 0 && (!goes_on || unfinished != nullptr)) {
    throw invalid(kWhere, ": epochs must be at least 1", unfinished ? ", the unfinished one" : "",
                  ", got 0.");
  }
  if (options.every_n_steps == 0) {
    throw invalid(kWhere, ": every_n_steps must be at least 1, got 0.");
  }
  validate(options.stop);
  core::InterruptPoll interrupt(options.interrupted);
  const engine::CheckOptions check_options{state.options().threads, &interrupt};
  const CheckedExamples examples(kWhere, *state.network(), inputs, targets, state.loss(),
                                 options.sample_weight, check_options,
                                 state.options().class_weight);
  std::optional<CheckedExamples> validation;
  if (options.validation_inputs.data() != nullptr) {
    validation.emplace("Trainer.fit: validation_data", *state.network(), options.validation_inputs,
                       options.validation_targets, state.loss(), ConstVectorView{}, check_options);
  } else if (options.stop.patience) {
    throw invalid(kWhere, ": patience watches the validation loss; give validation_data too.");
  }
  if (unfinished != nullptr && unfinished->rows != examples.rows()) {
    throw invalid(kWhere, ": X has ", examples.rows(),
                  " rows, but the epoch that this trainer was "
                  "saved in visits ",
                  unfinished->rows,
                  "; give that run's data, or give the run up "
                  "with discard_run.");
  }
  state.reserve(state.batch_rows(examples.rows()));
  const Task task{options, examples, validation ? &*validation : nullptr, interrupt};
  return Run(state, task).go_on();
}

}  // namespace descend::trainer
