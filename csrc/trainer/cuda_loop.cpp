#include "trainer/cuda_loop.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "core/float_environment.hpp"
#include "trainer/rates_ahead.hpp"
#include "trainer/steps.hpp"

namespace descend::trainer {

namespace {

// How long the host waits for a stretch before it asks whether to go on.
constexpr double kStretchSeconds = 0.02;

// How many steps a stretch has, from how long those of the last one took.
class StretchLength {
 public:
  explicit StretchLength(double flops) : step_seconds_(kLeastSeconds + flops / kFlopsPerSecond) {}

  std::size_t steps(const EpochPlan& plan) const {
    double seconds = kStretchSeconds;
    if (plan.deadline) {
      const std::chrono::duration<double> left = *plan.deadline - Clock::now();
      seconds = std::min(seconds, left.count());
    }
    const double steps = seconds / step_seconds_;
    if (steps < 1.0) return 1;
    return static_cast<std::size_t>(std::min<double>(steps, engine::kMostCudaSteps));
  }
  void record(std::size_t steps, double seconds) {
    step_seconds_ = seconds / static_cast<double>(steps);
  }

 private:
  // Of a step that was not measured: a slow GPU's.
  static constexpr double kLeastSeconds = 1e-4, kFlopsPerSecond = 1e12;
  double step_seconds_;
};

// Minibatches that have some weight, from `first` on.
struct Stretch {
  std::vector<engine::CudaStepPlan> steps;
  std::vector<std::size_t> visited;  // behind each
  std::size_t end;                   // of the minibatches looked at
};

template <class T>
Stretch stretch_of(const EpochPlan& plan, const Optimizer& optimizer,
                   const engine::Vectors<T>& vectors, const RatesAhead& rates,
                   std::uint64_t first_step, std::size_t first, std::size_t most_steps) {
  const core::FlushToZero flush;  // as the workers of a team have it
  Stretch stretch{{}, {}, first};
  while (stretch.steps.size() < most_steps && stretch.end < plan.rows.count) {
    const std::size_t begin = stretch.end;
    stretch.end += plan.batch_rows;
    const engine::Rows rows = plan.rows.part(begin, std::min(stretch.end, plan.rows.count));
    const double weight = engine::weight_sum(plan.examples.weights, rows);
    if (weight == 0.0) continue;
    const engine::Penalty penalty = penalty_of(plan, weight);
    const std::size_t index = stretch.steps.size();
    const auto update = engine::prepare_update<T>(optimizer, rates[index], first_step + index,
                                                  vectors, penalty, plan.clipping.value);
    stretch.steps.push_back({begin, rows.count, weight, penalty, update.scalars});
    stretch.visited.push_back(stretch.end);
  }
  return stretch;
}

// Those that the steps may visit: where rows have weights, some minibatches may be passed over.
engine::Rows rows_to_come(const EpochPlan& plan, const EpochProgress& progress) {
  const std::size_t end = plan.examples.weights == nullptr
                              ? progress.visited + most_steps_left(plan, progress) * plan.batch_rows
                              : plan.rows.count;
  return plan.rows.part(progress.visited, std::min(end, plan.rows.count));
}

// Records the steps done of a stretch; returns the loss of the last one, its penalty included.
double record_steps(const Stretch& stretch, const engine::CudaStretch& done, const EpochPlan& plan,
                    EpochProgress& progress) {
  const core::FlushToZero flush;
  double loss = 0.0;
  for (std::size_t i = 0; i < done.done; ++i) {
    const engine::CudaStepPlan& step = stretch.steps[i];
    const engine::CudaStretch::Step& result = done.steps[i];
    record(
        {result.loss_sum, step.weight, result.penalty, step.rows, step.scalars.learning_rate, {}},
        plan, progress);
    loss = result.loss_sum / step.weight + result.penalty;
  }
  progress.steps += done.done;
  progress.visited = stretch.visited[done.done - 1];
  return loss;
}

}  // namespace

template <class T>
StretchEnd run_cuda_steps(engine::CudaEngine<T>& engine, const EpochPlan& plan,
                          const Optimizer& optimizer, const engine::Vectors<T>& vectors,
                          NewVectors new_vectors, EpochProgress& progress) {
  StretchEnd end;
  Question question(plan);
  const auto goes_on = [&] {
    return !plan.interrupt->due(Clock::now()) || !question.interrupted();
  };
  const auto visited = [&] { return std::min(progress.visited, plan.rows.count); };

  const std::size_t before = question.parameter_sets();
  const bool has_begun =
      engine.begin({plan.examples, plan.examples_serial, rows_to_come(plan, progress), plan.dropout,
                    plan.outputs, plan.penalty.any(), plan.clipping, plan.label_smoothing, vectors},
                   goes_on);
  if (!has_begun) {
    end.stop = StopReason::interrupted;
    return end;
  }
  if (new_vectors == NewVectors::all) {
    engine.take_vectors();
  } else if (new_vectors == NewVectors::parameters || question.parameter_sets() != before) {
    engine.take_parameters();
  }
  std::size_t taken = question.parameter_sets();
  const auto take_new_parameters = [&] {
    if (question.parameter_sets() != taken) engine.take_parameters();
    taken = question.parameter_sets();
  };

  RatesAhead rates(learning_rate(optimizer), plan.epoch);
  StretchLength length(engine.step_flops(plan.batch_rows));
  while (visited() < plan.rows.count) {
    const std::size_t most = steps_with_rates(rates, question, plan, progress, length.steps(plan));
    if (most == 0) {
      end.no_learning_rate = missing_rate(rates, plan, progress);
      break;
    }
    take_new_parameters();
    const std::uint64_t next = plan.steps_before + progress.steps + 1;
    const Stretch stretch =
        stretch_of<T>(plan, optimizer, vectors, rates, next, progress.visited, most);
    if (stretch.steps.empty()) break;
    const Clock::time_point begin = Clock::now();
    const engine::CudaStretch done = engine.run(stretch.steps, goes_on);
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    if (done.done > 0) {
      end.last_loss = record_steps(stretch, done, plan, progress);
      length.record(done.done, seconds.count());
      end.stop = condition_met(plan, progress.steps);
    }
    if (done.non_finite_loss) {
      const engine::CudaStretch::Step& last = done.steps[done.done];
      end.non_finite_loss = last.loss_sum / stretch.steps[done.done].weight + last.penalty;
      break;
    }
    end.overflow = done.overflow;
    if (done.overflow) break;
    if (done.interrupted || !goes_on()) end.stop = StopReason::interrupted;
    if (end.stop) break;
    progress.visited = stretch.end;
  }
  progress.visited = visited();
  take_new_parameters();
  engine.finish();
  return end;
}

#define DESCEND_INSTANTIATE(T)                                                                   \
  template StretchEnd run_cuda_steps<T>(engine::CudaEngine<T>&, const EpochPlan&,                \
                                        const Optimizer&, const engine::Vectors<T>&, NewVectors, \
                                        EpochProgress&);
DESCEND_INSTANTIATE(float)
DESCEND_INSTANTIATE(double)
#undef DESCEND_INSTANTIATE

}  // namespace descend::trainer
