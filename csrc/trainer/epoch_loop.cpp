#include "trainer/epoch_loop.hpp"

#include <algorithm>
#include <cmath>

#include "core/thread_team.hpp"

namespace descend::trainer {

namespace {

// What ends the epoch after a step, `steps` of it done; worker 0 alone asks.
std::optional<StopReason> condition_met(const EpochPlan& plan, std::size_t steps) {
  if (plan.max_steps && steps >= *plan.max_steps) return StopReason::max_steps;
  const Clock::time_point now = Clock::now();
  if (plan.deadline && now >= *plan.deadline) return StopReason::seconds;
  if (plan.interrupt->interrupted(now)) return StopReason::interrupted;
  return std::nullopt;
}

// The gradient of a minibatch of more than a block, block after block, into `gradient`.
// Returns sum_i w_i L_i, the same in every worker. An interrupt ends it, as `stop` then says.
template <class T>
double gradient_in_blocks(engine::CpuEngine<T>& engine, const core::Worker& worker,
                          const engine::Minibatch& batch, const T* theta, T* gradient,
                          InterruptPoll& interrupt, std::optional<StopReason>& stop) {
  double sum = 0.0;
  for (std::size_t first = 0; first < batch.rows.count; first += engine::kBlockRows) {
    engine::Minibatch block = batch;
    block.rows =
        batch.rows.part(first, std::min(first + engine::kBlockRows, batch.rows.count));
    engine.backpropagate(worker, block, theta);
    sum += engine.loss_sum(block);
    engine.gradient(worker, block, gradient, first > 0);
    if (worker.index == 0 && interrupt.interrupted(Clock::now())) stop = StopReason::interrupted;
    worker.wait();
    if (stop) break;
  }
  return sum;
}

}  // namespace

template <class T>
EpochOutcome run_steps(engine::CpuEngine<T>& engine, const EpochPlan& plan,
                       const Optimizer& optimizer, T* theta, T* const (&state)[2], T* gradient,
                       int workers) {
  EpochOutcome outcome;
  core::run_team(workers, [&](const core::Worker& worker) {
    std::size_t steps = 0;
    for (std::size_t first = 0; first < plan.rows.count; first += plan.batch_rows) {
      const engine::Rows rows =
          plan.rows.part(first, std::min(first + plan.batch_rows, plan.rows.count));
      const double weight = engine::weight_sum(plan.examples.weights, rows);
      if (weight == 0.0) continue;
      const engine::Minibatch batch{plan.examples, rows, weight, plan.dropout};
      const engine::Update<T> update =
          engine::prepare_update(optimizer, plan.steps_before + steps + 1, theta, state);

      const bool in_blocks = rows.count > engine::kBlockRows;
      double sum;
      if (in_blocks) {
        sum = gradient_in_blocks(engine, worker, batch, theta, gradient, *plan.interrupt,
                                 outcome.stop);
        if (outcome.stop) break;
      } else {
        engine.backpropagate(worker, batch, theta);
        sum = engine.loss_sum(batch);
      }
      if (!std::isfinite(sum)) {
        if (worker.index == 0) outcome.non_finite_loss = sum / weight;
        break;
      }
      if (in_blocks) {
        engine.update_from(worker, gradient, update);
      } else {
        engine.update(worker, batch, update);
      }
      ++steps;
      if (worker.index == 0) {
        outcome.loss_sum += sum;
        outcome.weight_sum += weight;
        outcome.steps = steps;
        outcome.rows += rows.count;
        outcome.stop = condition_met(plan, steps);
      }
      worker.wait();
      if (outcome.stop) break;
    }
  });
  return outcome;
}

template EpochOutcome run_steps<float>(engine::CpuEngine<float>&, const EpochPlan&,
                                       const Optimizer&, float*, float* const (&)[2], float*, int);
template EpochOutcome run_steps<double>(engine::CpuEngine<double>&, const EpochPlan&,
                                        const Optimizer&, double*, double* const (&)[2], double*,
                                        int);

}  // namespace descend::trainer
