#include "trainer/epoch_loop.hpp"

#include <algorithm>
#include <cmath>

#include "core/thread_team.hpp"
#include "engine/blocks.hpp"
#include "trainer/overflow_guard.hpp"
#include "trainer/rates_ahead.hpp"
#include "trainer/steps.hpp"

namespace descend::trainer {

namespace {

// A step whose noise is measured takes longer, its gradient being written to memory: so many steps
// lie between two of them, fewer where an epoch has no room for as many measurements.
constexpr std::size_t kMeasurements = 8;
constexpr std::size_t kMostStepsBetween = 8;

std::size_t steps_between_measurements(const EpochPlan& plan) {
  const std::size_t steps = (plan.rows.count + plan.batch_rows - 1) / plan.batch_rows;
  return std::clamp<std::size_t>(steps / kMeasurements, 1, kMostStepsBetween);
}

// What all workers of all stretches share. Worker 0 alone writes `end` and `progress`, which the
// others read behind a barrier.
template <class T>
struct SharedRun {
  SharedRun(const StepMemory<T>& given, const EpochPlan& of_epoch, const Optimizer& rule,
            EpochProgress& so_far)
      : memory(given),
        plan(of_epoch),
        optimizer(rule),
        progress(so_far),
        steps_between(steps_between_measurements(of_epoch)),
        question(of_epoch),
        meeting_point(*of_epoch.interrupt, [this] { return question.interrupted(); }),
        rates(learning_rate(rule), of_epoch.epoch),
        overflow{given.growth} {}

  const StepMemory<T>& memory;
  const EpochPlan& plan;
  const Optimizer& optimizer;
  EpochProgress& progress;
  const std::size_t steps_between;  // of which the noise is measured
  Question question;
  core::MeetingPoint meeting_point;
  RatesAhead rates;
  OverflowWatch overflow;
  StretchEnd end;
  bool goes_on = true;
};

// A step at work, the same in every worker.
template <class T>
struct Step {
  const engine::Minibatch& batch;
  std::uint64_t number;  // of the trainer's
  engine::Update<T> update;
  bool is_measured;  // its noise
  bool is_kept;      // its gradient, in memory
};

struct RowSums {
  double loss = 0.0;            // sum_i w_i L_i
  double gradient_bound = 0.0;  // no element of the gradient has a magnitude beyond this
};

// One worker's way through a stretch of steps; all workers of its team go it together, and get the
// same answers.
template <class T>
class StretchWorker {
 public:
  StretchWorker(SharedRun<T>& run, const core::Worker& worker)
      : run_(run),
        memory_(run.memory),
        plan_(run.plan),
        worker_(worker),
        pace_(run.meeting_point, worker),
        guard_(run.memory.engine, worker, run.overflow),
        steps_before_(run.progress.steps),
        first_(run.progress.visited) {}

  void take_steps(std::size_t most_steps) {
    worker_.wait();  // all have read where the stretch begins
    while (goes_on_ && steps_ < most_steps && first_ < plan_.rows.count) {
      const engine::Minibatch batch = next_minibatch();
      if (batch.total_weight != 0.0 && !take_step(batch)) break;
      first_ += plan_.batch_rows;
    }
    worker_.wait();  // nobody reads what the stretch hands back any more
    if (worker_.index == 0) hand_back();
  }

 private:
  engine::Minibatch next_minibatch() const {
    const engine::Rows rows =
        plan_.rows.part(first_, std::min(first_ + plan_.batch_rows, plan_.rows.count));
    return {plan_.examples, rows,          engine::weight_sum(plan_.examples.weights, rows),
            plan_.dropout,  plan_.outputs, plan_.label_smoothing};
  }

  // Returns whether the step was applied; `goes_on_` says whether another one may follow.
  bool take_step(const engine::Minibatch& batch) {
    Step<T> step = prepared(batch);
    goes_on_ = false;
    // Taken before the barriers of what follows, read behind them.
    const engine::Penalty& penalty = step.update.penalty;
    if (penalty.any()) memory_.engine.measure_penalty(worker_, penalty, memory_.vectors.theta);
    const std::optional<RowSums> sums = backpropagate(step);
    interrupted_ = !sums;
    if (interrupted_) return false;
    const double penalty_sum = penalty.any() ? memory_.engine.penalty_sum() : 0.0;
    const double loss = sums->loss / batch.total_weight + penalty_sum;
    if (!std::isfinite(sums->loss) || !std::isfinite(loss)) {
      if (worker_.index == 0) run_.end.non_finite_loss = loss;
      return false;
    }
    // Before the penalty is added and the gradient clipped.
    const engine::NoiseMoments noise =
        step.is_measured ? memory_.noise->measure(worker_, batch, memory_.gradient)
                         : engine::NoiseMoments{};
    if (!clip_and_admit(step, sums->gradient_bound, penalty_sum)) {
      if (worker_.index == 0) run_.end.overflow = true;
      return false;
    }
    update(step);
    ++steps_;
    if (worker_.index == 0) {
      take_down({sums->loss, batch.total_weight, penalty_sum, batch.rows.count,
                 step.update.scalars.learning_rate, noise},
                loss);
    }
    interrupted_ = !pace_.meet();
    goes_on_ = !interrupted_ && !run_.end.stop;
    return true;
  }

  Step<T> prepared(const engine::Minibatch& batch) const {
    const std::size_t steps = steps_before_ + steps_;
    const std::uint64_t number = plan_.steps_before + steps + 1;
    const bool is_measured = plan_.measures_noise && steps % run_.steps_between == 0;
    const engine::Penalty penalty = penalty_of(plan_, batch.total_weight);
    return {batch, number,
            engine::prepare_update(run_.optimizer, run_.rates[steps_], number, memory_.vectors,
                                   penalty, plan_.clipping.value),
            is_measured,
            is_measured || keeps_gradient(memory_.engine, plan_.clipping, batch.rows.count)};
  }

  // Nothing where it is interrupted.
  std::optional<RowSums> backpropagate(const Step<T>& step) {
    if (step.is_kept) return sum_gradient(step);
    engine::CpuEngine<T>& engine = memory_.engine;
    if (!engine.backpropagate(worker_, pace_, step.batch, memory_.vectors.theta)) {
      return std::nullopt;
    }
    return RowSums{engine.loss_sum(step.batch), engine.gradient_bound(step.batch)};
  }

  // The same with the gradient in memory, block after block.
  std::optional<RowSums> sum_gradient(const Step<T>& step) {
    engine::CpuEngine<T>& engine = memory_.engine;
    engine::StepNoise<T>* const noise = step.is_measured ? memory_.noise : nullptr;
    if (noise != nullptr) noise->begin(worker_);
    RowSums sums;
    bool adds = false;
    const auto add_block = [&](const engine::Minibatch& block) {
      sums.loss += engine.loss_sum(block);
      sums.gradient_bound += engine.gradient_bound(block);
      if (noise != nullptr) noise->take_rows(worker_, engine, block);
      if (!engine.gradient(worker_, pace_, block, memory_.gradient, adds)) return false;
      if (!pace_.meet()) return false;
      if (noise != nullptr) noise->add_rows(worker_, block);
      adds = true;
      return true;
    };
    if (!engine::for_each_block(engine, worker_, pace_, step.batch, memory_.vectors.theta,
                                add_block)) {
      return std::nullopt;
    }
    return sums;
  }

  // Clips a gradient by its norm, and returns whether the update would leave all finite.
  bool clip_and_admit(Step<T>& step, double gradient_bound, double penalty_sum) {
    if (plan_.clipping.by_norm()) {
      const double norm =
          memory_.engine.clip_gradient(worker_, plan_.clipping.norm, memory_.gradient, step.update);
      if (!std::isfinite(norm)) return false;
      gradient_bound = std::min(norm, plan_.clipping.norm);
    }
    return guard_.admits(step.number, step.batch, gradient_bound, penalty_sum,
                         step.is_kept ? memory_.gradient : nullptr, step.update,
                         run_.question.parameter_sets());
  }

  void update(const Step<T>& step) {
    if (step.is_kept) {
      memory_.engine.update_from(worker_, memory_.gradient, step.update);
    } else {
      memory_.engine.update(worker_, step.batch, step.update);
    }
  }

  void take_down(const TakenStep& taken, double loss) {
    run_.progress.steps = steps_before_ + steps_;
    record(taken, plan_, run_.progress);
    run_.end.last_loss = loss;
    run_.end.stop = condition_met(plan_, run_.progress.steps);
  }

  void hand_back() {
    if (interrupted_) run_.end.stop = StopReason::interrupted;
    run_.progress.visited = std::min(first_, plan_.rows.count);
    run_.goes_on = goes_on_;
    guard_.hand_back();
  }

  SharedRun<T>& run_;
  const StepMemory<T>& memory_;
  const EpochPlan& plan_;
  const core::Worker& worker_;
  core::Pace pace_;
  OverflowGuard<T> guard_;
  const std::size_t steps_before_;
  std::size_t steps_ = 0;
  std::size_t first_;  // row of the next minibatch
  bool goes_on_ = true, interrupted_ = false;
};

}  // namespace

template <class T>
bool keeps_gradient(const engine::CpuEngine<T>& engine, const engine::Clipping& clipping,
                    std::size_t rows) {
  return rows > engine::kBlockRows || engine.updates_long(rows) || clipping.by_norm();
}

template <class T>
StretchEnd run_steps(const StepMemory<T>& memory, const EpochPlan& plan, const Optimizer& optimizer,
                     EpochProgress& progress) {
  SharedRun<T> run(memory, plan, optimizer, progress);
  core::TeamTuner& tuner = memory.tuner;
  while (run.goes_on && progress.visited < plan.rows.count) {
    const std::size_t most_steps =
        steps_with_rates(run.rates, run.question, plan, progress, tuner.pieces());
    if (most_steps == 0) {
      run.end.no_learning_rate = missing_rate(run.rates, plan, progress);
      break;
    }
    const std::size_t rows_before = progress.rows;
    tuner.run_stretch([&](int team) {
      memory.engine.share_out(team);
      core::run_team(team, [&](const core::Worker& worker) {
        StretchWorker<T>(run, worker).take_steps(most_steps);
      });
      const auto rows = static_cast<double>(progress.rows - rows_before);
      return rows / static_cast<double>(plan.batch_rows);
    });
  }
  return run.end;
}

template bool keeps_gradient<float>(const engine::CpuEngine<float>&, const engine::Clipping&,
                                    std::size_t);
template bool keeps_gradient<double>(const engine::CpuEngine<double>&, const engine::Clipping&,
                                     std::size_t);
template StretchEnd run_steps<float>(const StepMemory<float>&, const EpochPlan&, const Optimizer&,
                                     EpochProgress&);
template StretchEnd run_steps<double>(const StepMemory<double>&, const EpochPlan&, const Optimizer&,
                                      EpochProgress&);

}  // namespace descend::trainer
