#include "trainer/run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace descend::trainer {

namespace {

using network::CheckedExamples;

constexpr const char* kWhere = "Trainer.fit";
constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

// With track_gradient_noise and the caller's batches, whose number is not known: those measured.
constexpr std::size_t kStepsBetween = 8;

// NaN where no step showed anything.
double noise_scale(const engine::NoiseMoments& sums) {
  if (sums.variance == 0.0 && sums.squared_norm == 0.0) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return sums.squared_norm > 0.0 ? sums.variance / sums.squared_norm
                                 : std::numeric_limits<double>::infinity();
}

}  // namespace

Run::Run(State& state, const Task& task)
    : state_(state), task_(task), record_(begun(state, task)) {}

// The unfinished run, or another one. Where memory is short, the state keeps what it has.
RunRecord& Run::begun(State& state, const Task& task) {
  const network::State& network = *state.network();
  const Stop& stop = task.options.stop;
  const bool measures = !task.options.metrics.empty();
  const bool goes_on = state.record.has_value();
  RunRecord record;
  if (stop.patience && !(goes_on && state.record->best)) record.best.emplace(network);
  if (stop.parameter_change && !(goes_on && state.record->before)) record.before.emplace(network);
  if (measures && task.examples != nullptr && !(goes_on && state.record->outputs)) {
    record.outputs.emplace(network, task.examples->rows());
  }
  if (!goes_on) return state.record.emplace(std::move(record));
  RunRecord& earlier = *state.record;
  if (record.best || !stop.patience) earlier.best = std::move(record.best);
  if (record.before || !stop.parameter_change) earlier.before = std::move(record.before);
  if (record.outputs || !measures) earlier.outputs = std::move(record.outputs);
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
    if (!record_.epoch && !begin_epoch()) break;
    {
      const State::EpochAtWork epoch(state_);
      if (task_.batches != nullptr) {
        visit_batches();
      } else {
        visit_rows();
      }
    }
    if (record_.epoch->progress.steps == 0) break;  // interrupted within the first step
    finish_epoch();
  }
  History history = record_.history;
  history.seconds = seconds();
  history.stop_reason = record_.reason.value_or(StopReason::epochs);
  return history;
}

bool Run::begin_epoch() {
  // The first epoch's batches have been begun with the checks.
  if (task_.batches != nullptr && epochs_done_ > 0) {
    try {
      task_.batches->begin(0);
    } catch (const core::Interrupted&) {
      record_.reason = StopReason::interrupted;
      return false;
    }
  }
  record_.epoch.emplace();
  if (task_.examples != nullptr) record_.epoch->rows = task_.examples->rows();
  return true;
}

void Run::visit_rows() {
  const CheckedExamples& examples = *task_.examples;
  EpochProgress& progress = record_.epoch->progress;
  EpochPlan plan = state_.plan(examples, state_.shuffled(examples.rows()), task_.interrupt);
  plan.deadline = deadline();
  plan.measures_noise = state_.options().track_gradient_noise;
  if (record_.outputs) plan.outputs = record_.outputs->data();
  const std::size_t most = most_steps();
  while (!record_.reason && progress.visited < plan.rows.count) {
    const std::size_t callback_at = steps_to_callback();
    const std::size_t before = progress.steps;
    plan.max_steps = callback_at < most - before ? before + callback_at : most;
    const StretchEnd end = state_.run(kWhere, plan, progress);
    // The plan's last step may be the callback's alone.
    const bool is_callbacks = end.stop == StopReason::max_steps && progress.steps < most;
    if (end.stop && !is_callbacks) record_.reason = end.stop;
    if (progress.steps - before == callback_at && record_.reason != StopReason::interrupted) {
      call_on_step(end.last_loss);
    }
  }
  visited_ = plan.rows.part(0, std::min(progress.visited, plan.rows.count));
}

void Run::visit_batches() {
  Batches& batches = *task_.batches;
  OpenEpoch& epoch = *record_.epoch;
  while (!record_.reason && batches.has_batch()) {
    const std::size_t callback_at = steps_to_callback();
    EpochPlan plan = state_.step_plan(batches.examples(), task_.interrupt);
    plan.deadline = deadline();
    plan.measures_noise =
        state_.options().track_gradient_noise && epoch.progress.steps % kStepsBetween == 0;
    EpochProgress step;
    const StretchEnd end = state_.run(kWhere, plan, step);
    if (end.stop) record_.reason = end.stop;
    if (step.steps == 0) return;  // interrupted
    epoch.add_batch(step, plan.weight_unit);
    if (epoch.progress.steps >= most_steps()) stop_for(StopReason::max_steps);
    if (callback_at == 1 && record_.reason != StopReason::interrupted) call_on_step(end.last_loss);
    if (record_.reason) return;
    try {
      batches.take();
    } catch (const core::Interrupted&) {
      record_.reason = StopReason::interrupted;
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
  record_.history.learning_rate.push_back(progress.learning_rate);
  record_.history.steps += progress.steps;

  EpochReport report{};
  report.epoch = state_.epoch();
  report.loss = loss;
  report.learning_rate = progress.learning_rate;
  report.rows = progress.rows;
  report.steps = record_.history.steps;
  if (state_.options().track_gradient_noise) {
    report.noise_scale = noise_scale(progress.noise);
    record_.history.noise_scale.push_back(*report.noise_scale);
  }
  if (task_.validation != nullptr && record_.reason != StopReason::interrupted) {
    report.validation_loss = validate();
  }
  if (record_.reason != StopReason::interrupted) measure_epoch(report);
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
  const std::optional<double> loss =
      state_.mean_loss(*task_.validation, task_.validation_outputs, task_.interrupt);
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

void Run::measure_epoch(EpochReport& report) {
  const State::Callback callback(state_);  // the caller's own metrics are
  try {
    if (record_.outputs) {
      report.metrics = measure(options_.metrics, state_.loss(), *record_.outputs,
                               task_.examples->view(), visited_, task_.interrupt);
    }
    if (task_.validation_outputs != nullptr) {
      const engine::Rows rows{nullptr, 0, task_.validation->rows()};
      report.validation_metrics =
          measure(options_.metrics, state_.loss(), *task_.validation_outputs,
                  task_.validation->view(), rows, task_.interrupt);
    }
  } catch (const core::Interrupted&) {
    record_.reason = StopReason::interrupted;
    return;
  }
  History& history = record_.history;
  for (const auto& [name, value] : report.metrics) history.metrics[name].push_back(value);
  for (const auto& [name, value] : report.validation_metrics) {
    history.validation_metrics[name].push_back(value);
  }
}

std::optional<Clock::time_point> Run::deadline() const {
  if (!stop_.seconds) return std::nullopt;
  // Beyond a century, steady_clock's counter would overflow.
  const double limit = std::min(*stop_.seconds - seconds_before_, 3e9);
  return start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit));
}

// Of the epoch at work.
std::size_t Run::most_steps() const {
  return stop_.max_steps ? *stop_.max_steps - record_.history.steps : kNever;
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

}  // namespace descend::trainer
