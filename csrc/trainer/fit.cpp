#include "trainer/fit.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/checks.hpp"
#include "core/interrupt_poll.hpp"
#include "trainer/batches.hpp"
#include "trainer/outputs.hpp"
#include "trainer/run.hpp"

namespace descend::trainer {

namespace {

using core::invalid;
using network::CheckedExamples;

constexpr const char* kWhere = "Trainer.fit";
constexpr const char* kGiveUp = "; give that run's data, or give the run up with discard_run.";

const OpenEpoch* unfinished_epoch(const State& state) {
  return state.record && state.record->epoch ? &*state.record->epoch : nullptr;
}

void check_fit_options(const State& state, const FitOptions& options) {
  const bool within_epoch = unfinished_epoch(state) != nullptr;
  if (options.epochs == 0 && (!state.record || within_epoch)) {
    throw invalid(kWhere, ": epochs must be at least 1", within_epoch ? ", the unfinished one" : "",
                  ", got 0.");
  }
  if (options.every_n_steps == 0) {
    throw invalid(kWhere, ": every_n_steps must be at least 1, got 0.");
  }
  validate(options.stop);
  check_metrics(kWhere, options.metrics, state.loss(), state.network()->layout.layers.back().units);
}

void check_same_rows(const OpenEpoch& unfinished, std::size_t rows) {
  if (unfinished.rows == rows) return;
  const auto what = [](std::size_t count) {
    return count == 0 ? std::string("batches") : core::text("arrays of ", count, " rows");
  };
  throw invalid(kWhere, ": got ", what(rows),
                ", but the epoch that this trainer was saved in visits ", what(unfinished.rows),
                kGiveUp);
}

// Those of the run that was saved: its history has a value an epoch, and its unfinished epoch the
// outputs of the rows visited.
void check_same_metrics(const RunRecord& record, const std::vector<AnyMetric>& metrics,
                        bool of_batches) {
  std::vector<std::string> names, earlier;
  for (const AnyMetric& metric : metrics) names.push_back(name_of(metric));
  const History& history = record.history;
  // Of batches, those of the validation alone.
  for (const auto& [name, values] : of_batches ? history.validation_metrics : history.metrics) {
    earlier.push_back(name);
  }
  std::sort(names.begin(), names.end());
  const bool has_epochs = !record.history.loss.empty() && !record.reason;
  const bool measures = of_batches ? !earlier.empty() : record.outputs.has_value();
  const bool same = (!record.epoch || measures != metrics.empty() || (of_batches && !has_epochs)) &&
                    (!has_epochs || names == earlier);
  if (same) return;
  throw invalid(kWhere, ": the run that this trainer was saved in measures ",
                earlier.empty() ? record.outputs ? "metrics" : "no metrics" : core::listed(earlier),
                "; ask for the same, or give the run up with discard_run.");
}

// The run on checked rows, or on batches.
History run(State& state, const FitOptions& options, core::InterruptPoll& interrupt,
            const CheckedExamples* examples, Batches* batches) {
  std::optional<CheckedExamples> validation;
  if (options.validation_inputs.given()) {
    validation.emplace("Trainer.fit: validation_data", *state.network(), options.validation_inputs,
                       options.validation_targets, state.loss(), ConstVectorView{},
                       engine::CheckOptions{state.options().threads, &interrupt});
  } else if (options.stop.patience) {
    throw invalid(kWhere, ": patience watches the validation loss; give validation_data too.");
  } else if (batches != nullptr && !options.metrics.empty()) {
    throw invalid(kWhere,
                  ": metrics of a run on batches are those of validation_data; give it too.");
  }
  const OpenEpoch* const unfinished = unfinished_epoch(state);
  if (unfinished != nullptr) check_same_rows(*unfinished, examples ? examples->rows() : 0);
  if (state.record) check_same_metrics(*state.record, options.metrics, batches != nullptr);
  std::optional<Outputs> outputs;
  if (validation && !options.metrics.empty()) {
    outputs.emplace(*state.network(), validation->rows());
  }
  if (examples != nullptr) state.reserve(state.batch_rows(examples->rows()), *examples);
  const bool has_ended = state.record && state.record->reason;
  if (batches != nullptr && !has_ended && options.epochs > 0) {
    batches->begin(unfinished != nullptr ? unfinished->progress.visited : 0);
  }
  if (options.on_begin) {
    const State::Callback callback(state);
    options.on_begin();
  }
  const Task task{options,
                  examples,
                  batches,
                  validation ? &*validation : nullptr,
                  outputs ? &*outputs : nullptr,
                  interrupt};
  return Run(state, task).go_on();
}

}  // namespace

History fit(State& state, const InputView& inputs, const Targets& targets,
            const FitOptions& options) {
  const State::Busy busy(kWhere, state);
  check_fit_options(state, options);
  core::InterruptPoll interrupt(options.interrupted);
  const CheckedExamples examples(kWhere, *state.network(), inputs, targets, state.loss(),
                                 options.sample_weight, {state.options().threads, &interrupt},
                                 state.options().class_weight);
  return run(state, options, interrupt, &examples, nullptr);
}

History fit(State& state, const BatchSource& source, const FitOptions& options) {
  const State::Busy busy(kWhere, state);
  check_fit_options(state, options);
  if (options.sample_weight.given()) {
    throw invalid(kWhere, ": sample_weight goes into the batches: (X, y, sample_weight).");
  }
  core::InterruptPoll interrupt(options.interrupted);
  Batches batches(state, source, interrupt);
  return run(state, options, interrupt, nullptr, &batches);
}

}  // namespace descend::trainer
