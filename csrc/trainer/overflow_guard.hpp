// Whether a step's update cannot overflow, judged before it is applied.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/thread_team.hpp"
#include "engine/cpu_engine.hpp"
#include "engine/growth_bound.hpp"

namespace descend::trainer {

/// What the guards of all workers share; they read it while they are made.
struct OverflowWatch {
  engine::GrowthBound& growth;          ///< of the steps admitted in stretches before
  std::size_t measured = 0;             ///< which of the parameter sets was last measured
  std::atomic<bool> overflows = false;  ///< where a worker's share of a trial does
};

/// One worker's guard: from the bounds, or else by trying. All workers of a team make the same
/// calls and get the same answers.
template <class T>
class OverflowGuard {
 public:
  OverflowGuard(engine::CpuEngine<T>& engine, const core::Worker& worker, OverflowWatch& watch)
      : engine_(engine),
        worker_(worker),
        watch_(watch),
        growth_(watch.growth),
        measured_(watch.measured) {}

  /// Whether step number `step` leaves all vectors finite. `gradient_bound` is that of the rows'
  /// gradient, which stands in `gradient` where that is not null. `parameter_sets` counts how often
  /// the parameters became others than the last step's.
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
      if (!engine_.update_stays_finite(worker_, batch, gradient, update)) watch_.overflows = true;
      worker_.wait();
      if (watch_.overflows) return false;
    }
    growth_ = grown;
    return true;
  }

  /// Hands what it learnt to the guards of the next stretch; called by one worker, behind a
  /// barrier.
  void hand_back() const {
    watch_.growth = growth_;
    watch_.measured = measured_;
  }

 private:
  engine::CpuEngine<T>& engine_;
  const core::Worker& worker_;
  OverflowWatch& watch_;
  engine::GrowthBound growth_;
  std::size_t measured_;
};

}  // namespace descend::trainer
