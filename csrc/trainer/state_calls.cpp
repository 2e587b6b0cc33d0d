// What a trainer does one call at a time, outside fit: a step, an epoch, an evaluation.
#include <utility>

#include "core/checks.hpp"
#include "trainer/shuffle.hpp"
#include "trainer/state.hpp"

namespace descend::trainer {

namespace {

using core::invalid;
using network::CheckedExamples;

// Throws unless the order visits rows of `examples`, and some of them weigh something.
void check_visited(const char* where, const std::vector<std::size_t>& order,
                   const CheckedExamples& examples) {
  if (order.empty()) {
    throw invalid(where, ": order is empty, expected at least one row index.");
  }
  check_order(where, order, examples.rows());
  const engine::Rows rows{order.data(), 0, order.size()};
  if (engine::weight_sum(examples.weights(), rows) == 0.0) {
    throw invalid(where, ": every row in order has a sample_weight of 0, expected a sum above 0.");
  }
}

}  // namespace

double State::step(const InputView& inputs, const Targets& targets, ConstVectorView sample_weight,
                   const std::function<bool()>& interrupted) {
  constexpr const char* kWhere = "Trainer.step";
  const Busy busy(kWhere, *this);
  check_no_run(kWhere);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt}, options_.class_weight);
  reserve(examples.rows(), examples);
  EpochPlan plan = step_plan(examples, interrupt);
  report_steps(plan);
  EpochProgress progress;
  run(kWhere, plan, progress);
  return progress.loss_sum / progress.weight_sum;
}

double State::run_epoch(const InputView& inputs, const Targets& targets,
                        const std::vector<std::size_t>* order, ConstVectorView sample_weight,
                        const std::function<bool()>& interrupted, InputCheck check) {
  constexpr const char* kWhere = "Trainer.run_epoch";
  const Busy busy(kWhere, *this);
  check_no_run(kWhere);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt, check == InputCheck::finite},
                                 options_.class_weight);
  if (order != nullptr) check_visited(kWhere, *order, examples);
  reserve(batch_rows(order == nullptr ? examples.rows() : order->size()), examples);
  EpochPlan plan =
      this->plan(examples, order == nullptr ? shuffled(examples.rows()) : order, interrupt);
  report_steps(plan);
  const EpochAtWork epoch(*this);
  EpochProgress progress;
  run(kWhere, plan, progress);
  return progress.loss_sum / progress.weight_sum;
}

std::optional<Evaluation> State::evaluate(const InputView& inputs, const Targets& targets,
                                          const std::vector<AnyMetric>& metrics,
                                          ConstVectorView sample_weight,
                                          const std::function<bool()>& interrupted) const {
  constexpr const char* kWhere = "Trainer.evaluate";
  check_metrics(kWhere, metrics, loss_, network_->layout.layers.back().units);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt});
  std::optional<Outputs> outputs;
  if (!metrics.empty()) outputs.emplace(*network_, examples.rows());
  const std::optional<double> loss = mean_loss(examples, outputs ? &*outputs : nullptr, interrupt);
  if (!loss) return std::nullopt;
  Evaluation evaluation{*loss, {}};
  if (outputs) {
    const engine::Rows rows{nullptr, 0, examples.rows()};
    evaluation.metrics = measure(metrics, loss_, *outputs, examples.view(), rows, interrupt);
  }
  return evaluation;
}

// Has the plan's steps reported in last_steps().
void State::report_steps(EpochPlan& plan) {
  reports_.clear();
  reports_.reserve((plan.rows.count + plan.batch_rows - 1) / plan.batch_rows);
  plan.reports = &reports_;
}

std::vector<StepTerms> State::last_steps() {
  const BetweenSteps between("Trainer.last_steps", *this);
  return reports_;
}

}  // namespace descend::trainer
