// The steps of one epoch, in as few teams of threads as their tuner asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <vector>

#include "core/interrupt_poll.hpp"
#include "core/shared_mutex.hpp"
#include "core/team_tuner.hpp"
#include "descend/optimizer.hpp"
#include "descend/stop.hpp"
#include "descend/trainer.hpp"
#include "engine/cpu_engine.hpp"
#include "engine/growth_bound.hpp"
#include "engine/step_noise.hpp"

namespace descend::trainer {

using Clock = core::InterruptPoll::Clock;

/// What an epoch visits, and what may end it early.
struct EpochPlan {
  engine::Examples examples;
  std::uint64_t examples_serial;  ///< no other examples have it
  engine::Rows rows;              ///< in visiting order
  std::size_t batch_rows;         ///< the last minibatch may be shorter
  std::size_t steps_before;  ///< of the trainer, before the epoch: its first is steps_before + 1
  std::size_t epoch;         ///< to which the steps belong, from 1
  const engine::DropoutKey* dropout;
  void* outputs;  ///< as in engine::Minibatch
  engine::Penalty penalty;
  bool divide_penalty;  ///< by the minibatch's sum of weights
  engine::Clipping clipping;
  double label_smoothing;
  double weight_unit;                    ///< what the weights of `examples` are given in
  bool measures_noise;                   ///< of some of the steps
  std::vector<StepTerms>* reports;       ///< null, or with room for one a step
  std::optional<std::size_t> max_steps;  ///< of this epoch
  std::optional<Clock::time_point> deadline;
  core::InterruptPoll* interrupt;
  std::unique_lock<core::SharedMutex>* lock;  ///< the network's; let go while asking
};

/// What the steps of an epoch gave so far.
struct EpochProgress {
  double loss_sum = 0.0;    ///< of the rows visited, each weighted, and its steps' penalties
  double weight_sum = 0.0;  ///< of the rows visited
  std::size_t steps = 0;
  std::size_t rows = 0;
  std::size_t visited = 0;     ///< of the plan's rows, those of minibatches without weight too
  double learning_rate = 0.0;  ///< of the last step
  engine::NoiseMoments noise;  ///< sums over the steps measured
};

/// How a call of run_steps ended.
struct StretchEnd {
  std::optional<StopReason> stop;         ///< what ended it before the plan's last row
  std::optional<double> non_finite_loss;  ///< the loss after the last step, not updated from
  bool overflow = false;                  ///< of the update after the last step, not applied
  std::exception_ptr no_learning_rate;    ///< why there is none for the step after the last step
  double last_loss = 0.0;                 ///< of the last step, its penalty included
};

/// Whether the gradient of a step of so many rows stands in memory: block after block, so that it
/// can be given up half-way, or since its norm comes before the update.
template <class T>
bool keeps_gradient(const engine::CpuEngine<T>& engine, const engine::Clipping& clipping,
                    std::size_t rows);

/// What steps work in and with.
template <class T>
struct StepMemory {
  engine::CpuEngine<T>& engine;
  engine::Vectors<T> vectors;
  T* gradient;                  ///< of theta's size where a step keeps it or is measured
  engine::StepNoise<T>* noise;  ///< where a step is measured
  core::TeamTuner& tuner;
  engine::GrowthBound& growth;  ///< of all steps that the vectors have seen
};

/// Runs the plan's steps from where `progress` stands with the tuner's threads, changing the
/// vectors, which stay finite.
template <class T>
StretchEnd run_steps(const StepMemory<T>& memory, const EpochPlan& plan, const Optimizer& optimizer,
                     EpochProgress& progress);

}  // namespace descend::trainer
