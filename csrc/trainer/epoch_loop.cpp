#include "trainer/epoch_loop.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/thread_team.hpp"
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

// Whether the update cannot overflow: from the bounds, or else, the same in every worker, by
// trying.
template <class T>
class OverflowGuard {
 public:
  OverflowGuard(engine::CpuEngine<T>& engine, const core::Worker& worker,
                const engine::GrowthBound& growth, std::size_t measured,
                std::atomic<bool>& overflow)
      : engine_(engine),
        worker_(worker),
        growth_(growth),
        overflow_(overflow),
        measured_(measured) {}

  bool admits(std::uint64_t step, const engine::Minibatch& batch, double gradient_bound,
              double penalty_sum, const T* gradient, const engine::Update<T>& update,
              std::size_t parameter_sets) {
    double penalty_bound = update.penalty.gradient_bound(penalty_sum);
    if (parameter_sets != measured_) {
      measured_ = parameter_sets;
      engine_.measure_parameters(worker_, update.vectors.theta);
      worker_.wait();
      const double parameters = engine_.parameter_bound();
      growth_.parameters_within(parameters);
      // The penalty may be that of the parameters before.
      penalty_bound = update.penalty.l2 * parameters + update.penalty.l1;
    }
    engine::GrowthBound grown = growth_;
    if (!grown.take_step(update.scalars.learning_rate, gradient_bound + penalty_bound,
                         update.clip_value, step)) {
      if (!engine_.update_stays_finite(worker_, batch, gradient, update)) overflow_ = true;
      worker_.wait();
      if (overflow_) return false;
    }
    growth_ = grown;
    return true;
  }

  /// Of the steps admitted.
  const engine::GrowthBound& growth() const { return growth_; }

  /// Which of the parameter sets it last measured.
  std::size_t measured() const { return measured_; }

 private:
  engine::CpuEngine<T>& engine_;
  const core::Worker& worker_;
  engine::GrowthBound growth_;
  std::atomic<bool>& overflow_;
  std::size_t measured_;
};

struct BlockSums {
  double loss = 0.0;            // sum_i w_i L_i
  double gradient_bound = 0.0;  // no element of the gradient has a magnitude beyond this
};

// The gradient of a minibatch that is long or measured, block after block, into `gradient`. The
// same in every worker; nothing where it is interrupted.
template <class T>
std::optional<BlockSums> gradient_in_blocks(engine::CpuEngine<T>& engine,
                                            const core::Worker& worker, core::Pace& pace,
                                            const engine::Minibatch& batch, const T* theta,
                                            T* gradient, engine::StepNoise<T>* noise) {
  BlockSums sums;
  if (noise != nullptr) noise->begin(worker);
  for (std::size_t first = 0; first < batch.rows.count; first += engine::kBlockRows) {
    engine::Minibatch block = batch;
    block.rows = batch.rows.part(first, std::min(first + engine::kBlockRows, batch.rows.count));
    if (!engine.backpropagate(worker, pace, block, theta)) return std::nullopt;
    sums.loss += engine.loss_sum(block);
    sums.gradient_bound += engine.gradient_bound(block);
    if (noise != nullptr) noise->take_rows(worker, engine, block);
    if (!engine.gradient(worker, pace, block, gradient, first > 0)) return std::nullopt;
    if (!pace.meet()) return std::nullopt;
    if (noise != nullptr) noise->add_rows(worker, block);
  }
  return sums;
}

// The same of a minibatch whose gradient is summed at its update.
template <class T>
std::optional<BlockSums> backpropagated(engine::CpuEngine<T>& engine, const core::Worker& worker,
                                        core::Pace& pace, const engine::Minibatch& batch,
                                        const T* theta) {
  if (!engine.backpropagate(worker, pace, batch, theta)) return std::nullopt;
  return BlockSums{engine.loss_sum(batch), engine.gradient_bound(batch)};
}

}  // namespace

template <class T>
bool keeps_gradient(const engine::CpuEngine<T>& engine, const engine::Clipping& clipping,
                    std::size_t rows) {
  return rows > engine::kBlockRows || engine.updates_long(rows) || clipping.by_norm();
}

template <class T>
StretchEnd run_steps(engine::CpuEngine<T>& engine, const EpochPlan& plan,
                     const Optimizer& optimizer, const engine::Vectors<T>& vectors, T* gradient,
                     engine::StepNoise<T>* noise, core::TeamTuner& tuner,
                     engine::GrowthBound& growth, EpochProgress& progress) {
  StretchEnd end;
  Question question(plan);
  core::MeetingPoint meeting_point(*plan.interrupt, [&question] { return question.interrupted(); });
  std::atomic<bool> overflow{false};
  const std::size_t between_measurements = steps_between_measurements(plan);
  RatesAhead rates(learning_rate(optimizer), plan.epoch);
  std::size_t measured = 0;
  bool ended = false;

  const auto run_stretch = [&](const core::Worker& worker, std::size_t most_steps) {
    core::Pace pace(meeting_point, worker);
    OverflowGuard<T> guard(engine, worker, growth, measured, overflow);
    bool interrupted = false, goes_on = true;
    const std::size_t steps_before = progress.steps;
    std::size_t steps = 0, first = progress.visited;
    worker.wait();  // all have read where the stretch begins
    for (; goes_on && steps < most_steps && first < plan.rows.count; first += plan.batch_rows) {
      const engine::Rows rows =
          plan.rows.part(first, std::min(first + plan.batch_rows, plan.rows.count));
      const double weight = engine::weight_sum(plan.examples.weights, rows);
      if (weight == 0.0) continue;
      const engine::Minibatch batch{plan.examples, rows,         weight,
                                    plan.dropout,  plan.outputs, plan.label_smoothing};
      const engine::Penalty penalty = penalty_of(plan, weight);
      const std::uint64_t step = plan.steps_before + steps_before + steps + 1;
      engine::Update<T> update = engine::prepare_update(optimizer, rates[steps], step, vectors,
                                                        penalty, plan.clipping.value);
      goes_on = false;

      // Taken before the barriers of what follows, read behind them.
      if (penalty.any()) engine.measure_penalty(worker, penalty, vectors.theta);
      const bool is_measured =
          plan.measures_noise && (steps_before + steps) % between_measurements == 0;
      const bool is_kept = is_measured || keeps_gradient(engine, plan.clipping, rows.count);
      const auto sums = is_kept ? gradient_in_blocks<T>(engine, worker, pace, batch, vectors.theta,
                                                        gradient, is_measured ? noise : nullptr)
                                : backpropagated<T>(engine, worker, pace, batch, vectors.theta);
      interrupted = !sums;
      if (interrupted) break;
      const double penalty_sum = penalty.any() ? engine.penalty_sum() : 0.0;
      const double loss = sums->loss / weight + penalty_sum;
      if (!std::isfinite(sums->loss) || !std::isfinite(loss)) {
        if (worker.index == 0) end.non_finite_loss = loss;
        break;
      }
      // Before the penalty is added and the gradient clipped.
      const engine::NoiseMoments moments =
          is_measured ? noise->measure(worker, batch, gradient) : engine::NoiseMoments{};
      double gradient_bound = sums->gradient_bound;
      bool admitted = true;
      if (plan.clipping.by_norm()) {
        const double norm = engine.clip_gradient(worker, plan.clipping.norm, gradient, update);
        admitted = std::isfinite(norm);
        gradient_bound = std::min(norm, plan.clipping.norm);
      }
      admitted =
          admitted && guard.admits(step, batch, gradient_bound, penalty_sum,
                                   is_kept ? gradient : nullptr, update, question.parameter_sets());
      if (!admitted) {
        if (worker.index == 0) end.overflow = true;
        break;
      }
      if (is_kept) {
        engine.update_from(worker, gradient, update);
      } else {
        engine.update(worker, batch, update);
      }
      ++steps;
      if (worker.index == 0) {
        progress.steps = steps_before + steps;
        record({sums->loss, weight, penalty_sum, rows.count, update.scalars.learning_rate, moments},
               plan, progress);
        end.last_loss = loss;
        end.stop = condition_met(plan, progress.steps);
      }
      interrupted = !pace.meet();
      goes_on = !interrupted && !end.stop;
    }
    worker.wait();  // nobody reads growth, measured or progress any more
    if (worker.index != 0) return;
    if (interrupted) end.stop = StopReason::interrupted;
    progress.visited = std::min(first, plan.rows.count);
    growth = guard.growth();
    measured = guard.measured();
    ended = !goes_on;
  };

  while (!ended && progress.visited < plan.rows.count) {
    const std::size_t steps_before = progress.steps, rows_before = progress.rows;
    std::size_t most_steps = tuner.pieces();
    if (rates.asks()) {
      const std::size_t most = std::min(most_steps, most_steps_left(plan, progress));
      const std::uint64_t next = plan.steps_before + steps_before + 1;
      most_steps = question.asked([&] { return rates.take(next, most); });
    } else if (rates.failure() != nullptr) {
      most_steps = 0;
    }
    if (most_steps == 0) {
      if (has_weight_left(plan, progress)) end.no_learning_rate = rates.failure();
      break;
    }
    const Clock::time_point begin = Clock::now();
    engine.share_out(tuner.workers());
    core::run_team(tuner.workers(),
                   [&](const core::Worker& worker) { run_stretch(worker, most_steps); });
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    const auto rows = static_cast<double>(progress.rows - rows_before);
    tuner.record(rows / static_cast<double>(plan.batch_rows), seconds.count());
  }
  return end;
}

template bool keeps_gradient<float>(const engine::CpuEngine<float>&, const engine::Clipping&,
                                    std::size_t);
template bool keeps_gradient<double>(const engine::CpuEngine<double>&, const engine::Clipping&,
                                     std::size_t);
template StretchEnd run_steps<float>(engine::CpuEngine<float>&, const EpochPlan&, const Optimizer&,
                                     const engine::Vectors<float>&, float*,
                                     engine::StepNoise<float>*, core::TeamTuner&,
                                     engine::GrowthBound&, EpochProgress&);
template StretchEnd run_steps<double>(engine::CpuEngine<double>&, const EpochPlan&,
                                      const Optimizer&, const engine::Vectors<double>&, double*,
                                      engine::StepNoise<double>*, core::TeamTuner&,
                                      engine::GrowthBound&, EpochProgress&);

}  // namespace descend::trainer
