#include "trainer/steps.hpp"

#include <algorithm>

namespace descend::trainer {

std::optional<StopReason> condition_met(const EpochPlan& plan, std::size_t steps) {
  if (plan.max_steps && steps >= *plan.max_steps) return StopReason::max_steps;
  if (plan.deadline && Clock::now() >= *plan.deadline) return StopReason::seconds;
  return std::nullopt;
}

std::size_t most_steps_left(const EpochPlan& plan, const EpochProgress& progress) {
  const std::size_t rows = plan.rows.count - progress.visited;
  const std::size_t minibatches = (rows + plan.batch_rows - 1) / plan.batch_rows;
  return plan.max_steps ? std::min(minibatches, *plan.max_steps - progress.steps) : minibatches;
}

std::size_t steps_with_rates(RatesAhead& rates, Question& question, const EpochPlan& plan,
                             const EpochProgress& progress, std::size_t most) {
  most = std::min(most, most_steps_left(plan, progress));
  if (!rates.asks()) return rates.failure() == nullptr ? most : 0;
  const std::uint64_t next = plan.steps_before + progress.steps + 1;
  return question.asked([&] { return rates.take(next, most); });
}

std::exception_ptr missing_rate(const RatesAhead& rates, const EpochPlan& plan,
                                const EpochProgress& progress) {
  const engine::Rows rows = plan.rows.part(progress.visited, plan.rows.count);
  return engine::weight_sum(plan.examples.weights, rows) > 0.0 ? rates.failure() : nullptr;
}

engine::Penalty penalty_of(const EpochPlan& plan, double weight) {
  return plan.divide_penalty ? plan.penalty.times(1.0 / (weight * plan.weight_unit)) : plan.penalty;
}

void record(const TakenStep& step, const EpochPlan& plan, EpochProgress& progress) {
  progress.loss_sum += step.loss + step.weight * step.penalty;
  progress.weight_sum += step.weight;
  progress.rows += step.rows;
  progress.learning_rate = step.learning_rate;
  progress.noise.variance += step.noise.variance;
  progress.noise.squared_norm += step.noise.squared_norm;
  if (plan.reports == nullptr) return;
  plan.reports->push_back({step.loss / step.weight, step.penalty, step.weight * plan.weight_unit});
}

}  // namespace descend::trainer
