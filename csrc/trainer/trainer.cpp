#include "descend/trainer.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <variant>

#include "core/checks.hpp"
#include "core/philox.hpp"
#include "core/thread_team.hpp"
#include "engine/cpu_engine.hpp"
#include "engine/data_checks.hpp"
#include "engine/forward_pass.hpp"
#include "kernels/dispatch.hpp"
#include "network/state.hpp"
#include "trainer/epoch_loop.hpp"
#include "trainer/shuffle.hpp"

namespace descend {

namespace {

using core::invalid;
using network::CheckedExamples;

// Longer steps gain by every thread, and trying fewer would take long.
constexpr double kTunedWork = 1e9;

// What a run in one arithmetic type needs besides theta.
template <class T>
struct Memory {
  core::AlignedBuffer<T> state[2];  // of the optimizer
  core::AlignedBuffer<T> gradient;  // where a step takes long
  std::unique_ptr<engine::CpuEngine<T>> engine;
  int engine_workers = 0;
};

// theta as it was at some point of a run.
template <class T>
class Snapshot {
 public:
  explicit Snapshot(network::State& network) : network_(network), theta_(network.layout.size) {
    take();
  }
  void take() {
    const std::shared_lock lock(network_.mutex);
    std::copy_n(network_.theta<T>(), theta_.size(), theta_.data());
  }
  void restore() {
    const std::unique_lock lock(network_.mutex);
    std::copy_n(theta_.data(), theta_.size(), network_.theta<T>());
  }
  /// ||theta - this||.
  double distance() const {
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    const std::shared_lock lock(network_.mutex);
    return std::sqrt(kernels.squared_distance(theta_.size(), network_.theta<T>(), theta_.data()));
  }

 private:
  network::State& network_;
  core::AlignedBuffer<T> theta_;
};

// What weights are given in: checked ones are scaled by a power of two, so that the largest is in
// [1/2, 1).
double weight_unit(ConstVectorView given, const double* checked) {
  if (checked == nullptr) return 1.0;
  std::size_t row = 0;
  while (checked[row] < 0.5) ++row;
  const double weight = given.dtype() == DType::float32
                            ? static_cast<const float*>(given.data())[row]
                            : static_cast<const double*>(given.data())[row];
  return weight / checked[row];
}

// The parameters of the lowest validation loss, put back when the run ends, also by an exception.
template <class T>
class BestParameters {
 public:
  explicit BestParameters(network::State& network) : snapshot_(network) {}
  ~BestParameters() { snapshot_.restore(); }
  BestParameters(const BestParameters&) = delete;
  BestParameters& operator=(const BestParameters&) = delete;

  /// Returns the epochs since the lowest loss, this one included.
  std::size_t watch(double loss) {
    if (loss < lowest_) {
      lowest_ = loss;
      epochs_since_ = 0;
      snapshot_.take();
    } else {
      ++epochs_since_;
    }
    return epochs_since_;
  }

 private:
  Snapshot<T> snapshot_;
  double lowest_ = std::numeric_limits<double>::infinity();
  std::size_t epochs_since_ = 0;
};

}  // namespace

class Trainer::State {
 public:
  State(std::shared_ptr<network::State> network, Loss loss, Optimizer optimizer,
        TrainerOptions options)
      : network_(std::move(network)),
        loss_(loss),
        optimizer_(optimizer),
        options_(options),
        growth_(optimizer, network_->spec.dtype) {
    validate(optimizer_);
    if (options_.batch_size && *options_.batch_size == 0) {
      throw invalid("Trainer: batch_size must be at least 1 (or none, for all rows), got 0.");
    }
    core::check_threads("Trainer", options_.threads);
    check_penalty("l2", options_.l2);
    check_penalty("l1", options_.l1);
    network::with_type(network_->spec.dtype, [&](auto zero) {
      using T = decltype(zero);
      memory_ = Memory<T>{};
      for (std::size_t i = 0; i < state_vectors(optimizer_); ++i) {
        memory<T>().state[i] = core::AlignedBuffer<T>(network_->layout.size);
      }
    });
    drops_ = network_->spec.input_dropout > 0;
    for (const Dense& layer : network_->spec.layers) drops_ = drops_ || layer.dropout > 0;
  }

  History fit(const ConstMatrixView& inputs, const Targets& targets, const FitOptions& options);
  double run_epoch(const ConstMatrixView& inputs, const Targets& targets,
                   const std::vector<std::size_t>* order, ConstVectorView sample_weight,
                   const std::function<bool()>& interrupted);
  double step(const ConstMatrixView& inputs, const Targets& targets, ConstVectorView sample_weight,
              const std::function<bool()>& interrupted);

  std::vector<StepReport> last_steps() {
    const Busy busy("Trainer.last_steps", *this);
    return reports_;
  }
  const Optimizer& optimizer() const { return optimizer_; }
  void set_learning_rate(const LearningRate& learning_rate);
  void get_optimizer_state(const std::vector<VectorView>& vectors);
  void set_optimizer_state(std::size_t steps, const std::vector<ConstVectorView>& vectors);

  const std::shared_ptr<network::State>& network() const { return network_; }
  std::size_t epoch() const { return epoch_; }
  std::size_t steps() const { return steps_; }

 private:
  // Held during a call, so that a call from another thread, or from a callback, is an error.
  class Busy {
   public:
    Busy(const char* where, State& state) : state_(state) {
      if (state_.busy_.exchange(true)) {
        throw std::runtime_error(
            core::text(where,
                       ": this trainer is already at work in another call; wait for its end or use "
                       "one trainer a thread."));
      }
    }
    ~Busy() { state_.busy_ = false; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    State& state_;
  };

  static void check_penalty(const char* what, double value) {
    // In float32 it multiplies the weights as a float32.
    if (!(value >= 0 && value <= std::numeric_limits<float>::max())) {
      throw invalid("Trainer: ", what, " must be at least 0 and within the range of float32, got ",
                    value, ".");
    }
  }

  template <class View>
  void check_optimizer_state(const char* where, const std::vector<View>& vectors) const;

  template <class T>
  Memory<T>& memory() {
    return std::get<Memory<T>>(memory_);
  }

  std::size_t batch_rows(std::size_t rows) const {
    return std::min(rows, options_.batch_size.value_or(rows));
  }
  void reserve(std::size_t batch_rows);
  trainer::EpochOutcome run(const char* where, trainer::EpochPlan plan);
  trainer::EpochPlan plan(const CheckedExamples& examples, ConstVectorView sample_weight,
                          const std::vector<std::size_t>* order, core::InterruptPoll& interrupt);
  void report_steps(trainer::EpochPlan& plan);
  const std::vector<std::size_t>* shuffled(std::size_t rows);
  template <class T>
  std::optional<double> validation_loss(const CheckedExamples& examples,
                                        core::InterruptPoll& interrupt) const;

  std::shared_ptr<network::State> network_;
  Loss loss_;
  Optimizer optimizer_;
  TrainerOptions options_;
  bool drops_ = false;
  std::variant<Memory<float>, Memory<double>> memory_;
  std::vector<std::size_t> order_;
  std::vector<StepReport> reports_;
  engine::DropoutKey dropout_{};
  engine::GrowthBound growth_;
  core::TeamTuner tuner_;  // of steps of tuned_rows_ rows
  int most_workers_ = 0;
  std::size_t tuned_rows_ = 0;
  // Read by other threads too.
  std::atomic<std::size_t> epoch_{0};
  std::atomic<std::size_t> steps_{0};
  std::atomic<bool> busy_{false};
};

// Makes room for minibatches of `batch_rows` rows, and a team for them.
void Trainer::State::reserve(std::size_t batch_rows) {
  const std::size_t block_rows = std::min(batch_rows, engine::kBlockRows);
  const double work = core::step_work(block_rows, network_->layout.count);
  const int workers = core::team_size(options_.threads, work);
  if (workers != most_workers_ || block_rows != tuned_rows_) {
    most_workers_ = workers;
    tuned_rows_ = block_rows;
    tuner_ = core::TeamTuner(workers, options_.threads == 0 && work < kTunedWork);
  }
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    Memory<T>& memory = this->memory<T>();
    if (memory.engine == nullptr || memory.engine->block_rows() < block_rows ||
        memory.engine_workers < workers) {
      memory.engine = std::make_unique<engine::CpuEngine<T>>(network_->spec, network_->layout,
                                                             loss_, block_rows, workers);
      memory.engine_workers = workers;
    }
    if (trainer::takes_long(*memory.engine, batch_rows) && memory.gradient.size() == 0) {
      memory.gradient = core::AlignedBuffer<T>(network_->layout.size);
    }
  });
}

// Runs the plan and counts its steps.
trainer::EpochOutcome Trainer::State::run(const char* where, trainer::EpochPlan plan) {
  const trainer::EpochOutcome outcome = network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    Memory<T>& memory = this->memory<T>();
    T* const state[2] = {memory.state[0].data(), memory.state[1].data()};
    T* const theta = network_->theta<T>();
    std::unique_lock lock(network_->mutex);
    plan.lock = &lock;
    return trainer::run_steps<T>(*memory.engine, plan, optimizer_, theta, state,
                                 memory.gradient.data(), tuner_, growth_);
  });
  steps_ += outcome.steps;
  if (outcome.no_learning_rate != nullptr) {
    try {
      std::rethrow_exception(outcome.no_learning_rate);
    } catch (const std::invalid_argument& error) {
      throw invalid(where, ": ", error.what(), " The parameters are those after step ",
                    steps_.load(), ".");
    }
  }
  if (outcome.overflow || outcome.non_finite_loss) {
    const std::size_t step = steps_ + 1;
    const char* what = "the update";
    std::string found = core::text("overflows ", name(network_->spec.dtype));
    if (outcome.non_finite_loss) {
      what = "the loss";
      found = std::isnan(*outcome.non_finite_loss) ? "is nan" : "is inf";
    }
    throw NonFiniteLoss(
        core::text(where, ": ", what, " of step ", step, " (epoch ", epoch_.load(), ") ", found,
                   "; the parameters are those after step ", steps_.load(),
                   ". A lower learning rate or inputs and targets nearer to 1 may help."));
  }
  return outcome;
}

template <class T>
std::optional<double> Trainer::State::validation_loss(const CheckedExamples& examples,
                                                      core::InterruptPoll& interrupt) const {
  std::shared_lock lock(network_->mutex);
  // What is asked, such as a signal's handler, may use the network.
  const auto goes_on = [&] {
    if (!interrupt.due(trainer::Clock::now())) return true;
    lock.unlock();
    const bool interrupted = interrupt.ask();
    lock.lock();
    return !interrupted;
  };
  return engine::mean_loss<T>(network_->spec, network_->layout, std::as_const(*network_).theta<T>(),
                              examples.view(), loss_, options_.threads, goes_on);
}

trainer::EpochPlan Trainer::State::plan(const CheckedExamples& examples,
                                        ConstVectorView sample_weight,
                                        const std::vector<std::size_t>* order,
                                        core::InterruptPoll& interrupt) {
  const std::size_t rows = examples.rows();
  trainer::EpochPlan plan{};
  plan.examples = examples.view();
  plan.rows = order == nullptr ? engine::Rows{nullptr, 0, rows}
                               : engine::Rows{order->data(), 0, order->size()};
  plan.batch_rows = batch_rows(plan.rows.count);
  plan.steps_before = steps_;
  plan.epoch = epoch_ + 1;
  dropout_ = {options_.seed, core::kDropoutStream, epoch_, 0};
  plan.dropout = drops_ ? &dropout_ : nullptr;
  plan.penalty = {options_.l2, options_.l1};
  plan.divide_penalty = options_.divide_penalty;
  plan.weight_unit = weight_unit(sample_weight, examples.weights());
  plan.interrupt = &interrupt;
  return plan;
}

// Has the plan's steps reported in last_steps().
void Trainer::State::report_steps(trainer::EpochPlan& plan) {
  reports_.clear();
  reports_.reserve((plan.rows.count + plan.batch_rows - 1) / plan.batch_rows);
  plan.reports = &reports_;
}

void Trainer::State::set_learning_rate(const LearningRate& learning_rate) {
  const Busy busy("Trainer.learning_rate", *this);
  validate("Trainer", learning_rate);
  std::visit([&](auto& rule) { rule.learning_rate = learning_rate; }, optimizer_);
}

template <class View>
void Trainer::State::check_optimizer_state(const char* where,
                                           const std::vector<View>& vectors) const {
  if (vectors.size() != state_vectors(optimizer_)) {
    throw invalid(where, ": got ", vectors.size(), " vectors, but ", name(optimizer_),
                  " with these settings keeps ", state_vectors(optimizer_), ".");
  }
  for (const View& vector : vectors) {
    if (vector.size() != network_->layout.count || vector.dtype() != network_->spec.dtype) {
      throw invalid(where, ": a vector has ", vector.size(), " elements of ", name(vector.dtype()),
                    ", but the network has ", network_->layout.count, " parameters of ",
                    name(network_->spec.dtype), ".");
    }
  }
}

void Trainer::State::get_optimizer_state(const std::vector<VectorView>& vectors) {
  constexpr const char* kWhere = "Trainer.optimizer_state";
  const Busy busy(kWhere, *this);
  check_optimizer_state(kWhere, vectors);
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      engine::to_canonical(network_->layout, memory<T>().state[i].data(),
                           static_cast<T*>(vectors[i].data()));
    }
  });
}

void Trainer::State::set_optimizer_state(std::size_t steps,
                                         const std::vector<ConstVectorView>& vectors) {
  constexpr const char* kWhere = "Trainer.optimizer_state";
  const Busy busy(kWhere, *this);
  check_optimizer_state(kWhere, vectors);
  for (const ConstVectorView& vector : vectors) {
    engine::check_finite(kWhere, "a vector", {vector.data(), vector.dtype(), 1, vector.size()},
                         network_->spec.dtype, {});
  }
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      T* const state = memory<T>().state[i].data();
      engine::from_canonical(network_->layout, static_cast<const T*>(vectors[i].data()), state);
      const std::size_t size = network_->layout.size;
      growth_.state_within(kernels.absolute_sum(1, size, state, size));
    }
  });
  steps_ = steps;
}

// This epoch's order, null where the rows are visited as they stand: batch gradient descent sums
// over all of them whatever their order.
const std::vector<std::size_t>* Trainer::State::shuffled(std::size_t rows) {
  if (!options_.shuffle || !options_.batch_size) return nullptr;
  trainer::shuffle(rows, options_.seed, epoch_, order_);
  return &order_;
}

double Trainer::State::step(const ConstMatrixView& inputs, const Targets& targets,
                            ConstVectorView sample_weight,
                            const std::function<bool()>& interrupted) {
  constexpr const char* kWhere = "Trainer.step";
  const Busy busy(kWhere, *this);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt});
  reserve(examples.rows());
  trainer::EpochPlan plan = this->plan(examples, sample_weight, nullptr, interrupt);
  plan.batch_rows = examples.rows();
  plan.epoch = std::max<std::size_t>(epoch_, 1);
  report_steps(plan);
  dropout_.purpose = core::kStepDropoutStream;
  dropout_.index = steps_;
  const trainer::EpochOutcome outcome = run(kWhere, plan);
  return outcome.loss_sum / outcome.weight_sum;
}

double Trainer::State::run_epoch(const ConstMatrixView& inputs, const Targets& targets,
                                 const std::vector<std::size_t>* order,
                                 ConstVectorView sample_weight,
                                 const std::function<bool()>& interrupted) {
  constexpr const char* kWhere = "Trainer.run_epoch";
  const Busy busy(kWhere, *this);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt});
  if (order != nullptr) {
    if (order->empty()) {
      throw invalid(kWhere, ": order is empty, expected at least one row index.");
    }
    double weight = 0.0;
    for (std::size_t i = 0; i < order->size(); ++i) {
      if ((*order)[i] >= examples.rows()) {
        throw invalid(kWhere, ": order has row index ", (*order)[i], " at place ", i,
                      ", but X has ", examples.rows(), " rows: indices are 0 to ",
                      examples.rows() - 1, ".");
      }
      weight += examples.weights() == nullptr ? 1.0 : examples.weights()[(*order)[i]];
    }
    if (weight == 0.0) {
      throw invalid(kWhere,
                    ": every row in order has a sample_weight of 0, expected a sum above 0.");
    }
  }
  reserve(batch_rows(order == nullptr ? examples.rows() : order->size()));
  trainer::EpochPlan plan = this->plan(
      examples, sample_weight, order == nullptr ? shuffled(examples.rows()) : order, interrupt);
  report_steps(plan);
  ++epoch_;
  const trainer::EpochOutcome outcome = run(kWhere, plan);
  return outcome.loss_sum / outcome.weight_sum;
}

History Trainer::State::fit(const ConstMatrixView& inputs, const Targets& targets,
                            const FitOptions& options) {
  constexpr const char* kWhere = "Trainer.fit";
  const Busy busy(kWhere, *this);
  if (options.epochs == 0) throw invalid(kWhere, ": epochs must be at least 1, got 0.");
  const Stop& stop = options.stop;
  validate(stop);
  core::InterruptPoll interrupt(options.interrupted);
  const engine::CheckOptions check_options{options_.threads, &interrupt};
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, options.sample_weight,
                                 check_options);
  std::optional<CheckedExamples> validation;
  if (options.validation_inputs.data() != nullptr) {
    validation.emplace("Trainer.fit: validation_data", *network_, options.validation_inputs,
                       options.validation_targets, loss_, ConstVectorView{}, check_options);
  } else if (stop.patience) {
    throw invalid(kWhere, ": patience watches the validation loss; give validation_data too.");
  }

  return network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    reserve(batch_rows(examples.rows()));
    std::optional<Snapshot<T>> before;
    if (stop.parameter_change) before.emplace(*network_);
    std::optional<BestParameters<T>> best;
    if (stop.patience) best.emplace(*network_);

    History history;
    const trainer::Clock::time_point start = trainer::Clock::now();
    const auto seconds = [&] {
      return std::chrono::duration<double>(trainer::Clock::now() - start).count();
    };
    std::optional<StopReason> reason;
    for (std::size_t done = 1; !reason; ++done) {
      trainer::EpochPlan plan =
          this->plan(examples, options.sample_weight, shuffled(examples.rows()), interrupt);
      if (stop.max_steps) plan.max_steps = *stop.max_steps - history.steps;
      if (stop.seconds) {
        // Beyond a century, steady_clock's counter would overflow.
        const double limit = std::min(*stop.seconds, 3e9);
        plan.deadline = start + std::chrono::duration_cast<trainer::Clock::duration>(
                                    std::chrono::duration<double>(limit));
      }
      ++epoch_;
      const trainer::EpochOutcome outcome = run(kWhere, plan);
      reason = outcome.stop;
      if (outcome.steps == 0) break;  // interrupted within the first step
      const double loss = outcome.loss_sum / outcome.weight_sum;
      if (!reason && stop.target_loss && loss <= *stop.target_loss) {
        reason = StopReason::target_loss;
      }
      if (stop.parameter_change) {
        if (!reason && before->distance() < *stop.parameter_change) {
          reason = StopReason::parameter_change;
        }
        before->take();
      }
      if (!reason && stop.loss_change && !history.loss.empty() &&
          std::abs(loss - history.loss.back()) < *stop.loss_change) {
        reason = StopReason::loss_change;
      }
      history.loss.push_back(loss);
      history.steps += outcome.steps;

      EpochReport report{epoch_, loss, std::nullopt, outcome.rows, history.steps, 0.0};
      if (validation && reason != StopReason::interrupted) {
        report.validation_loss = validation_loss<T>(*validation, interrupt);
        if (!report.validation_loss) {
          reason = StopReason::interrupted;
        } else {
          history.validation_loss.push_back(*report.validation_loss);
          if (best && best->watch(*report.validation_loss) >= *stop.patience && !reason) {
            reason = StopReason::patience;
          }
        }
      }
      if (!reason && done == options.epochs) reason = StopReason::epochs;
      report.seconds = seconds();
      if (options.on_epoch && reason != StopReason::interrupted) {
        const bool goes_on = options.on_epoch(report);
        if (!goes_on && (!reason || reason == StopReason::epochs)) {
          reason = StopReason::interrupted;
        }
      }
    }
    history.seconds = seconds();
    history.stop_reason = reason.value_or(StopReason::epochs);
    return history;
  });
}

Trainer::Trainer(const Network& network, Loss loss, Optimizer optimizer, TrainerOptions options)
    : state_(std::make_unique<State>(network.state_, loss, optimizer, options)) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

History Trainer::fit(ConstMatrixView inputs, const Targets& targets, const FitOptions& options) {
  try {
    return state_->fit(inputs, targets, options);
  } catch (const core::Interrupted&) {
    History history;
    history.stop_reason = StopReason::interrupted;
    return history;
  }
}

double Trainer::run_epoch(ConstMatrixView inputs, const Targets& targets,
                          const std::vector<std::size_t>* order, ConstVectorView sample_weight,
                          const std::function<bool()>& interrupted) {
  try {
    return state_->run_epoch(inputs, targets, order, sample_weight, interrupted);
  } catch (const core::Interrupted&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

double Trainer::step(ConstMatrixView inputs, const Targets& targets, ConstVectorView sample_weight,
                     const std::function<bool()>& interrupted) {
  try {
    return state_->step(inputs, targets, sample_weight, interrupted);
  } catch (const core::Interrupted&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

std::vector<StepReport> Trainer::last_steps() const { return state_->last_steps(); }
const Optimizer& Trainer::optimizer() const { return state_->optimizer(); }
void Trainer::set_learning_rate(const LearningRate& learning_rate) {
  state_->set_learning_rate(learning_rate);
}
void Trainer::get_optimizer_state(const std::vector<VectorView>& vectors) const {
  state_->get_optimizer_state(vectors);
}
void Trainer::set_optimizer_state(std::size_t steps, const std::vector<ConstVectorView>& vectors) {
  state_->set_optimizer_state(steps, vectors);
}

Network Trainer::network() const { return Network(state_->network()); }
std::size_t Trainer::epoch() const { return state_->epoch(); }
std::size_t Trainer::steps() const { return state_->steps(); }

}  // namespace descend
