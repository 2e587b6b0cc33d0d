#include "trainer/epoch_loop.hpp"

#include <algorithm>
#include <atomic>
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
      const std::size_t writers = plan_.lock->mutex()->writers();
      plan_.lock->unlock();
      if (plan_.interrupt->ask()) outcome_.stop = StopReason::interrupted;
      plan_.lock->lock();
      if (plan_.lock->mutex()->writers() != writers + 1) ++parameter_sets_;
    }
    worker.wait();
  }

  /// How many times the parameters became others than the last step's: before the first step, and
  /// where somebody set them during a wait.
  std::size_t parameter_sets() const { return parameter_sets_; }

 private:
  const EpochPlan& plan_;
  EpochOutcome& outcome_;
  bool due_ = false;
  std::size_t parameter_sets_ = 1;
};

// Whether the update cannot overflow: from the bounds, or else, the same in every worker, by
// trying.
template <class T>
class OverflowGuard {
 public:
  OverflowGuard(engine::CpuEngine<T>& engine, const core::Worker& worker,
                const engine::GrowthBound& growth, std::atomic<bool>& overflow)
      : engine_(engine), worker_(worker), growth_(growth), overflow_(overflow) {}

  bool admits(std::uint64_t step, const engine::Minibatch& batch, double gradient_bound,
              const T* gradient, const engine::Update<T>& update, std::size_t parameter_sets) {
    if (parameter_sets != measured_) {
      measured_ = parameter_sets;
      engine_.measure_parameters(worker_, update.theta);
      worker_.wait();
      growth_.parameters_within(engine_.parameter_bound());
    }
    engine::GrowthBound grown = growth_;
    if (!grown.take_step(gradient_bound, step)) {
      if (!engine_.update_stays_finite(worker_, batch, gradient, update)) overflow_ = true;
      worker_.wait();
      if (overflow_) return false;
    }
    growth_ = grown;
    return true;
  }

  /// Of the steps admitted.
  const engine::GrowthBound& growth() const { return growth_; }

 private:
  engine::CpuEngine<T>& engine_;
  const core::Worker& worker_;
  engine::GrowthBound growth_;
  std::atomic<bool>& overflow_;
  std::size_t measured_ = 0;
};

struct BlockSums {
  double loss = 0.0;            // sum_i w_i L_i
  double gradient_bound = 0.0;  // no element of the gradient has a magnitude beyond this
};

// The gradient of a minibatch of more than a block, block after block, into `gradient`.
// The same in every worker. An interrupt ends it, as `stop` then says.
template <class T>
BlockSums gradient_in_blocks(engine::CpuEngine<T>& engine, const core::Worker& worker,
                             const engine::Minibatch& batch, const T* theta, T* gradient,
                             MeetingPoint& meeting_point, const std::optional<StopReason>& stop) {
  BlockSums sums;
  for (std::size_t first = 0; first < batch.rows.count && !stop; first += engine::kBlockRows) {
    engine::Minibatch block = batch;
    block.rows = batch.rows.part(first, std::min(first + engine::kBlockRows, batch.rows.count));
    engine.backpropagate(worker, block, theta);
    sums.loss += engine.loss_sum(block);
    sums.gradient_bound += engine.gradient_bound(block);
    engine.gradient(worker, block, gradient, first > 0);
    if (first + block.rows.count < batch.rows.count) {
      meeting_point.wait(worker);
    } else {
      worker.wait();
    }
  }
  return sums;
}

}  // namespace

template <class T>
EpochOutcome run_steps(engine::CpuEngine<T>& engine, const EpochPlan& plan,
                       const Optimizer& optimizer, T* theta, T* const (&state)[2], T* gradient,
                       int workers, engine::GrowthBound& growth) {
  EpochOutcome outcome;
  MeetingPoint meeting_point(plan, outcome);
  std::atomic<bool> overflow{false};
  engine::GrowthBound grown = growth;
  core::run_team(workers, [&](const core::Worker& worker) {
    OverflowGuard<T> guard(engine, worker, growth, overflow);
    std::size_t steps = 0;
    for (std::size_t first = 0; first < plan.rows.count; first += plan.batch_rows) {
      const engine::Rows rows =
          plan.rows.part(first, std::min(first + plan.batch_rows, plan.rows.count));
      const double weight = engine::weight_sum(plan.examples.weights, rows);
      if (weight == 0.0) continue;
      const engine::Minibatch batch{plan.examples, rows, weight, plan.dropout};
      const std::uint64_t step = plan.steps_before + steps + 1;
      const engine::Update<T> update = engine::prepare_update(optimizer, step, theta, state);

      const bool in_blocks = rows.count > engine::kBlockRows;
      BlockSums sums;
      if (in_blocks) {
        sums =
            gradient_in_blocks(engine, worker, batch, theta, gradient, meeting_point, outcome.stop);
        if (outcome.stop) break;
      } else {
        engine.backpropagate(worker, batch, theta);
        sums = {engine.loss_sum(batch), engine.gradient_bound(batch)};
      }
      if (!std::isfinite(sums.loss)) {
        if (worker.index == 0) outcome.non_finite_loss = sums.loss / weight;
        break;
      }
      if (!guard.admits(step, batch, sums.gradient_bound, in_blocks ? gradient : nullptr, update,
                        meeting_point.parameter_sets())) {
        if (worker.index == 0) outcome.overflow = true;
        break;
      }
      if (in_blocks) {
        engine.update_from(worker, gradient, update);
      } else {
        engine.update(worker, batch, update);
      }
      ++steps;
      if (worker.index == 0) {
        outcome.loss_sum += sums.loss;
        outcome.weight_sum += weight;
        outcome.steps = steps;
        outcome.rows += rows.count;
        outcome.stop = condition_met(plan, steps);
      }
      meeting_point.wait(worker);
      if (outcome.stop) break;
    }
    if (worker.index == 0) grown = guard.growth();
  });
  growth = grown;
  return outcome;
}

template EpochOutcome run_steps<float>(engine::CpuEngine<float>&, const EpochPlan&,
                                       const Optimizer&, float*, float* const (&)[2], float*, int,
                                       engine::GrowthBound&);
template EpochOutcome run_steps<double>(engine::CpuEngine<double>&, const EpochPlan&,
                                        const Optimizer&, double*, double* const (&)[2], double*,
                                        int, engine::GrowthBound&);

}  // namespace descend::trainer
