#include "trainer/epoch_loop.hpp"

#include <algorithm>
#include <cmath>

#include "core/thread_team.hpp"

namespace descend::trainer {

namespace {

// What ends the epoch after a step, `steps` of it done.
std::optional<StopReason> condition_met(const EpochPlan& plan, std::size_t steps) {
  if (plan.max_steps && steps >= *plan.max_steps) return StopReason::max_steps;
  if (plan.deadline && Clock::now() >= *plan.deadline) return StopReason::seconds;
  return std::nullopt;
}

// Where the workers meet, and now and then wait while worker 0 asks whether to go on. What it asks,
// such as a signal's handler, may use the network: nobody works on it then, and it is not locked.
// Between two waits here there must be another barrier, by which all have read the first's answer.
class MeetingPoint {
 public:
  MeetingPoint(const EpochPlan& plan, EpochOutcome& outcome) : plan_(plan), outcome_(outcome) {}

  void wait(const core::Worker& worker) {
    if (worker.index == 0) due_ = plan_.interrupt->due(Clock::now());
    worker.wait();
    if (!due_) return;
    if (worker.index == 0) {
      plan_.lock->unlock();
      if (plan_.interrupt->ask()) outcome_.stop = StopReason::interrupted;
      plan_.lock->lock();
    }
    worker.wait();
  }

 private:
  const EpochPlan& plan_;
  EpochOutcome& outcome_;
  bool due_ = false;
};

// The gradient of a minibatch of more than a block, block after block, into `gradient`.
// Returns sum_i w_i L_i, the same in every worker. An interrupt ends it, as `stop` then says.
template <class T>
double gradient_in_blocks(engine::CpuEngine<T>& engine, const core::Worker& worker,
                          const engine::Minibatch& batch, const T* theta, T* gradient,
                          MeetingPoint& meeting_point, const std::optional<StopReason>& stop) {
  double sum = 0.0;
  for (std::size_t first = 0; first < batch.rows.count && !stop; first += engine::kBlockRows) {
    engine::Minibatch block = batch;
    block.rows = batch.rows.part(first, std::min(first + engine::kBlockRows, batch.rows.count));
    engine.backpropagate(worker, block, theta);
    sum += engine.loss_sum(block);
    engine.gradient(worker, block, gradient, first > 0);
    if (first + block.rows.count < batch.rows.count) {
      meeting_point.wait(worker);
    } else {
      worker.wait();
    }
  }
  return sum;
}

}  // namespace

template <class T>
EpochOutcome run_steps(engine::CpuEngine<T>& engine, const EpochPlan& plan,
                       const Optimizer& optimizer, T* theta, T* const (&state)[2], T* gradient,
                       int workers) {
  EpochOutcome outcome;
  MeetingPoint meeting_point(plan, outcome);
  core::run_team(workers, [&](const core::Worker& worker) {
    std::size_t steps = 0;
    for (std::size_t first = 0; first < plan.rows.count; first += plan.batch_rows) {
      const engine::Rows rows =
          plan.rows.part(first, std::min(first + plan.batch_rows, plan.rows.count));
      const double weight = engine::weight_sum(plan.examples.weights, rows);
      if (weight == 0.0) continue;
      const engine::Minibatch batch{plan.examples, rows, weight, plan.dropout};
      const engine::Penalty penalty = plan.divide_penalty
                                          ? plan.penalty.times(1.0 / (weight * plan.weight_unit))
                                          : plan.penalty;
      const engine::Update<T> update =
          engine::prepare_update(optimizer, plan.steps_before + steps + 1, theta, state, penalty);

      // Taken before the barrier in backpropagate, read behind it.
      if (penalty.any()) engine.measure_penalty(worker, penalty, theta);
      const bool in_blocks = rows.count > engine::kBlockRows;
      double sum;
      if (in_blocks) {
        sum =
            gradient_in_blocks(engine, worker, batch, theta, gradient, meeting_point, outcome.stop);
        if (outcome.stop) break;
      } else {
        engine.backpropagate(worker, batch, theta);
        sum = engine.loss_sum(batch);
      }
      const double penalty_sum = penalty.any() ? engine.penalty_sum() : 0.0;
      const double loss = sum / weight + penalty_sum;
      if (!std::isfinite(sum) || !std::isfinite(loss)) {
        if (worker.index == 0) outcome.non_finite_loss = loss;
        break;
      }
      if (in_blocks) {
        engine.update_from(worker, gradient, update);
      } else {
        engine.update(worker, batch, update);
      }
      ++steps;
      if (worker.index == 0) {
        outcome.loss_sum += sum + weight * penalty_sum;
        outcome.weight_sum += weight;
        outcome.steps = steps;
        outcome.rows += rows.count;
        outcome.stop = condition_met(plan, steps);
        if (plan.reports != nullptr) {
          plan.reports->push_back({sum / weight, penalty_sum, weight * plan.weight_unit});
        }
      }
      meeting_point.wait(worker);
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
