// What a Trainer owns: how it trains, the optimizer's state, its counters, and the run at work.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/interrupt_poll.hpp"
#include "core/kept_tuner.hpp"
#include "descend/trainer.hpp"
#include "engine/cpu_engine.hpp"
#include "engine/cuda_engine.hpp"
#include "engine/dropout.hpp"
#include "engine/growth_bound.hpp"
#include "network/state.hpp"
#include "trainer/epoch_loop.hpp"
#include "trainer/outputs.hpp"
#include "trainer/run_record.hpp"

namespace descend::trainer {

// What steps in one arithmetic type need besides theta.
template <class T>
struct Memory {
  core::AlignedBuffer<T> state[kernels::kMostStates];  // of the optimizer
  core::AlignedBuffer<T> average;                      // of the parameters, where one is kept
  core::AlignedBuffer<T> gradient;                     // where a step keeps it or is measured
  std::unique_ptr<engine::StepNoise<T>> noise;
  std::unique_ptr<engine::CpuEngine<T>> engine;
  int engine_workers = 0;
  std::unique_ptr<engine::CudaEngine<T>> cuda;  // in the place of `engine`, on that device
  bool cuda_has_vectors = false;                // theta and the others, as the last step left them
  bool cuda_alone_has_vectors = false;          // those of the host, but theta, are older
  std::size_t cuda_has_theta_of = 0;            // theta's writers when it had that
};

class State {
 public:
  /// Throws as Trainer's constructor does.
  State(std::shared_ptr<network::State> network, Loss loss, Optimizer optimizer,
        TrainerOptions options);

  /// Held during a call, so that a call from another thread, or from a callback, is an error.
  class Busy {
   public:
    Busy(const char* where, State& state) : Busy(where, state, false) {}
    ~Busy() {
      if (holds_) state_.busy_ = false;
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   protected:
    Busy(const char* where, State& state, bool callbacks_may);

   private:
    State& state_;
    bool holds_;
  };

  /// The same for a call that a run's callback may make, which comes between two steps.
  class BetweenSteps : Busy {
   public:
    BetweenSteps(const char* where, State& state) : Busy(where, state, true) {}
  };

  /// Held while a callback works.
  class Callback {
   public:
    explicit Callback(State& state) : state_(state) {
      state_.callback_thread_ = std::this_thread::get_id();
    }
    ~Callback() { state_.callback_thread_ = std::thread::id(); }
    Callback(const Callback&) = delete;
    Callback& operator=(const Callback&) = delete;

   private:
    State& state_;
  };

  double run_epoch(const InputView& inputs, const Targets& targets,
                   const std::vector<std::size_t>* order, ConstVectorView sample_weight,
                   const std::function<bool()>& interrupted, InputCheck check);
  double step(const InputView& inputs, const Targets& targets, ConstVectorView sample_weight,
              const std::function<bool()>& interrupted);

  std::vector<StepTerms> last_steps();
  const Optimizer& optimizer() const { return optimizer_; }
  void set_learning_rate(const LearningRate& learning_rate);
  void get_optimizer_state(const std::vector<VectorView>& vectors);
  void set_optimizer_state(std::size_t steps, const std::vector<ConstVectorView>& vectors);
  std::shared_ptr<network::State> averaged_network();
  void set_averaged_parameters(const ConstVectorView& parameters);
  /// Copies one of the optimizer's vectors, in the order of LayerShape, to or from `canonical`.
  void copy_optimizer_vector(std::size_t vector, void* canonical);
  void set_optimizer_vector(std::size_t vector, const void* canonical);
  void set_counters(std::size_t epoch, std::size_t steps);
  /// Whether the average has begun; then it is copied, as one of the optimizer's vectors.
  bool has_average() const { return has_average_; }
  void copy_average(void* canonical);
  void set_average(const void* canonical);
  /// Gives up the unfinished run; its epoch at work counts as ended.
  void discard_run();

  const std::shared_ptr<network::State>& network() const { return network_; }
  Loss loss() const { return loss_; }
  const TrainerOptions& options() const { return options_; }
  std::size_t epoch() const { return epoch_; }
  std::size_t steps() const { return steps_; }

  /// Counts an epoch when it ends, in whatever way.
  class EpochAtWork {
   public:
    explicit EpochAtWork(State& state) : state_(state) { state_.epoch_at_work_ = true; }
    ~EpochAtWork() {
      state_.epoch_at_work_ = false;
      ++state_.epoch_;
    }
    EpochAtWork(const EpochAtWork&) = delete;
    EpochAtWork& operator=(const EpochAtWork&) = delete;

   private:
    State& state_;
  };

  /// Rows of a minibatch where there are so many.
  std::size_t batch_rows(std::size_t rows) const;
  /// Makes room for minibatches of `batch_rows` of the rows, and a team for them.
  void reserve(std::size_t batch_rows, const network::CheckedExamples& examples);
  /// The order of the epoch at work, null where the rows are visited as they stand.
  const std::vector<std::size_t>* shuffled(std::size_t rows);
  /// A plan that visits `order`, all rows where it is null. Valid until the next one is made.
  EpochPlan plan(const network::CheckedExamples& examples, const std::vector<std::size_t>* order,
                 core::InterruptPoll& interrupt);
  /// The plan of one step on all rows, as Trainer::step takes it.
  EpochPlan step_plan(const network::CheckedExamples& examples, core::InterruptPoll& interrupt);
  /// Goes on with the plan from where `progress` stands, and counts its steps. Throws
  /// NonFiniteLoss.
  StretchEnd run(const char* where, EpochPlan plan, EpochProgress& progress);
  /// J, and the rows' outputs where `outputs` is not null; nothing where it is interrupted.
  std::optional<double> mean_loss(const network::CheckedExamples& examples, Outputs* outputs,
                                  core::InterruptPoll& interrupt) const;
  std::optional<Evaluation> evaluate(const InputView& inputs, const Targets& targets,
                                     const std::vector<AnyMetric>& metrics,
                                     ConstVectorView sample_weight,
                                     const std::function<bool()>& interrupted) const;

  /// Of the run at work, or of the one that a loaded trainer has not finished.
  std::optional<RunRecord> record;
  /// Written to the trainer's file with all else.
  TrainerExtra extra;

 private:
  template <class View>
  void check_optimizer_state(const char* where, const std::vector<View>& vectors) const;
  template <class View>
  void check_size(const char* where, const View& vector) const;
  void check_finite(const char* where, const ConstVectorView& vector) const;
  engine::Clipping clipping() const;
  void check_no_run(const char* where) const;
  void report_steps(EpochPlan& plan);
  void begin_average();
  template <class T>
  void bring_cuda_vectors();
  template <class T>
  void give_up_cuda();
  template <class T>
  void reserve_cuda(std::size_t batch_rows);
  template <class T>
  StretchEnd run_cuda(const EpochPlan& plan, const engine::Vectors<T>& vectors,
                      EpochProgress& progress);

  template <class T>
  Memory<T>& memory() {
    return std::get<Memory<T>>(memory_);
  }

  std::shared_ptr<network::State> network_;
  Loss loss_;
  Optimizer optimizer_;
  TrainerOptions options_;
  bool drops_ = false;
  std::variant<Memory<float>, Memory<double>> memory_;
  std::vector<std::size_t> order_;
  std::vector<StepTerms> reports_;
  engine::DropoutKey dropout_{};
  engine::GrowthBound growth_;
  std::optional<core::KeptTuner> tuner_;  // of steps of tuned_rows_ rows
  int most_workers_ = 0;
  std::size_t tuned_rows_ = 0;
  bool has_average_ = false;
  bool epoch_at_work_ = false;
  // Read by other threads too.
  std::atomic<std::size_t> epoch_{0};
  std::atomic<std::size_t> steps_{0};
  std::atomic<bool> busy_{false};
  std::atomic<std::thread::id> callback_thread_{};
};

}  // namespace descend::trainer
