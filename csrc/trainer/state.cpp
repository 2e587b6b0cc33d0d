#include "trainer/state.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "core/checks.hpp"
#include "core/philox.hpp"
#include "core/thread_team.hpp"
#include "engine/data_checks.hpp"
#include "engine/forward_pass.hpp"
#include "kernels/dispatch.hpp"
#include "trainer/shuffle.hpp"

namespace descend::trainer {

namespace {

using core::invalid;
using network::CheckedExamples;

// Longer steps gain by every thread, and trying fewer would take long.
constexpr double kTunedWork = 1e9;

void check_penalty(const char* what, double value) {
  // In float32 it multiplies the weights as a float32.
  if (!(value >= 0 && value <= std::numeric_limits<float>::max())) {
    throw invalid("Trainer: ", what, " must be at least 0 and within the range of float32, got ",
                  value, ".");
  }
}

void check_bound(const char* what, std::optional<double> value) {
  if (value && !(*value > 0 && *value <= std::numeric_limits<float>::max())) {
    throw invalid("Trainer: ", what, " must be above 0 and within the range of float32, got ",
                  *value, ".");
  }
}

// How many classes the loss tells apart; 0 where its targets are none.
std::size_t classes_of(Loss loss, std::size_t outputs) {
  if (loss == Loss::softmax_cross_entropy) return outputs;
  return loss == Loss::sigmoid_cross_entropy && outputs == 1 ? 2 : 0;
}

void check_class_weight(const ClassWeight& class_weight, Loss loss, std::size_t outputs) {
  if (!class_weight.any()) return;
  const std::size_t classes = classes_of(loss, outputs);
  if (classes == 0) {
    throw invalid("Trainer: class_weight is for softmax_cross_entropy, and for ",
                  "sigmoid_cross_entropy with one output, but the loss is ", name(loss), " with ",
                  outputs, " outputs.");
  }
  if (class_weight.balanced) return;
  if (class_weight.weights.size() != classes) {
    throw invalid("Trainer: class_weight has ", class_weight.weights.size(),
                  " weights, but there are ", classes, " classes; give one weight a class.");
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < classes; ++i) {
    const double weight = class_weight.weights[i];
    if (!(weight >= 0.0) || !std::isfinite(weight)) {
      throw invalid("Trainer: class_weight is ", weight, " of class ", i,
                    ", expected finite numbers of at least 0.");
    }
    sum += weight;
  }
  if (sum == 0.0) throw invalid("Trainer: every class_weight is 0, expected a sum above 0.");
}

void check_label_smoothing(double smoothing, Loss loss) {
  if (!(smoothing >= 0.0 && smoothing < 1.0)) {
    throw invalid("Trainer: label_smoothing must be in [0, 1), got ", smoothing, ".");
  }
  const bool smooths = loss == Loss::softmax_cross_entropy || loss == Loss::sigmoid_cross_entropy;
  if (smoothing > 0.0 && !smooths) {
    throw invalid("Trainer: label_smoothing is for softmax_cross_entropy and ",
                  "sigmoid_cross_entropy, but the loss is ", name(loss), ".");
  }
}

}  // namespace

State::State(std::shared_ptr<network::State> network, Loss loss, Optimizer optimizer,
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
  if (options_.track_gradient_noise && options_.batch_size == std::size_t{1}) {
    throw invalid(
        "Trainer: track_gradient_noise needs a batch_size of at least 2 (or none, for all rows), "
        "got 1: a minibatch of one row shows no noise.");
  }
  check_bound("clip_norm", options_.clip_norm);
  check_bound("clip_value", options_.clip_value);
  const std::optional<double> decay = options_.average_decay;
  if (decay && !(*decay >= 0 && *decay < 1)) {
    throw invalid("Trainer: average_decay must be in [0, 1), got ", *decay, ".");
  }
  check_class_weight(options_.class_weight, loss_, network_->spec.layers.back().units);
  check_label_smoothing(options_.label_smoothing, loss_);
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    memory_ = Memory<T>{};
    for (std::size_t i = 0; i < state_vectors(optimizer_); ++i) {
      memory<T>().state[i] = core::AlignedBuffer<T>(network_->layout.size);
    }
    if (options_.average_decay) {
      memory<T>().average = core::AlignedBuffer<T>(network_->layout.size);
    }
  });
  drops_ = network_->spec.input_dropout > 0;
  for (const Dense& layer : network_->spec.layers) drops_ = drops_ || layer.dropout > 0;
}

State::Busy::Busy(const char* where, State& state, bool callbacks_may) : state_(state) {
  const bool in_callback = state.callback_thread_.load() == std::this_thread::get_id();
  holds_ = !(callbacks_may && in_callback);
  if (holds_ && state_.busy_.exchange(true)) {
    throw std::runtime_error(
        core::text(where,
                   ": this trainer is already at work in another call; wait for its end or use "
                   "one trainer a thread."));
  }
}

std::size_t State::batch_rows(std::size_t rows) const {
  return std::min(rows, options_.batch_size.value_or(rows));
}

void State::reserve(std::size_t batch_rows) {
  const std::size_t block_rows = std::min(batch_rows, engine::kBlockRows);
  const double work = core::step_work(block_rows, network_->layout.count);
  const int workers = core::team_size(options_.threads, work);
  if (workers != most_workers_ || block_rows != tuned_rows_) {
    const std::size_t element_size = network_->spec.dtype == DType::float32 ? 4 : 8;
    tuner_.emplace(core::TunedWork{workers, block_rows, network_->layout.count, element_size},
                   options_.threads == 0 && work < kTunedWork);
    most_workers_ = workers;
    tuned_rows_ = block_rows;
  }
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    Memory<T>& memory = this->memory<T>();
    if (memory.engine == nullptr || memory.engine->block_rows() < block_rows ||
        memory.engine_workers < workers) {
      memory.engine = std::make_unique<engine::CpuEngine<T>>(network_->spec, network_->layout,
                                                             loss_, block_rows, workers);
      memory.engine_workers = workers;
      if (options_.track_gradient_noise) {
        memory.noise = std::make_unique<engine::StepNoise<T>>(network_->layout, block_rows);
      }
    }
    const bool in_memory =
        options_.track_gradient_noise || keeps_gradient(*memory.engine, clipping(), batch_rows);
    if (in_memory && memory.gradient.size() == 0) {
      memory.gradient = core::AlignedBuffer<T>(network_->layout.size);
    }
  });
}

StretchEnd State::run(const char* where, EpochPlan plan, EpochProgress& progress) {
  const std::size_t steps_before = progress.steps;
  const std::size_t epoch = epoch_ + (epoch_at_work_ ? 1 : 0);
  plan.steps_before = steps_ - steps_before;
  plan.epoch = std::max<std::size_t>(epoch, 1);
  const StretchEnd end = network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    Memory<T>& memory = this->memory<T>();
    const engine::Vectors<T> vectors = {
        network_->theta<T>(),
        {memory.state[0].data(), memory.state[1].data(), memory.state[2].data()},
        memory.average.data(),
        options_.average_decay.value_or(0.0)};
    std::unique_lock lock(network_->mutex);
    begin_average();
    plan.lock = &lock;
    return run_steps<T>(*memory.engine, plan, optimizer_, vectors, memory.gradient.data(),
                        memory.noise.get(), tuner_->tuner(), growth_, progress);
  });
  steps_ += progress.steps - steps_before;
  if (end.no_learning_rate != nullptr) {
    try {
      std::rethrow_exception(end.no_learning_rate);
    } catch (const std::invalid_argument& error) {
      throw invalid(where, ": ", error.what(), " The parameters are those after step ",
                    steps_.load(), ".");
    }
  }
  if (end.overflow || end.non_finite_loss) {
    const std::size_t step = steps_ + 1;
    const char* what = "the update";
    std::string found = core::text("overflows ", name(network_->spec.dtype));
    if (end.non_finite_loss) {
      what = "the loss";
      found = std::isnan(*end.non_finite_loss) ? "is nan" : "is inf";
    }
    throw NonFiniteLoss(
        core::text(where, ": ", what, " of step ", step, " (epoch ", epoch, ") ", found,
                   "; the parameters are those after step ", steps_.load(),
                   ". A lower learning rate or inputs and targets nearer to 1 may help."));
  }
  return end;
}

std::optional<double> State::mean_loss(const CheckedExamples& examples, Outputs* outputs,
                                       core::InterruptPoll& interrupt) const {
  std::shared_lock lock(network_->mutex);
  // What is asked, such as a signal's handler, may use the network.
  const auto goes_on = [&] {
    if (!interrupt.due(Clock::now())) return true;
    lock.unlock();
    const bool interrupted = interrupt.ask();
    lock.lock();
    return !interrupted;
  };
  return network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    return engine::mean_loss<T>(network_->spec, network_->layout,
                                std::as_const(*network_).theta<T>(), examples.view(), loss_,
                                outputs == nullptr ? nullptr : static_cast<T*>(outputs->data()),
                                options_.threads, goes_on);
  });
}

std::optional<Evaluation> State::evaluate(const ConstMatrixView& inputs, const Targets& targets,
                                          const std::vector<AnyMetric>& metrics,
                                          ConstVectorView sample_weight,
                                          const std::function<bool()>& interrupted) const {
  constexpr const char* kWhere = "Trainer.evaluate";
  check_metrics(kWhere, metrics, loss_, network_->layout.layers.back().units);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt});
  std::optional<Outputs> outputs;
  if (!metrics.empty()) outputs.emplace(*network_, examples.rows());
  const std::optional<double> loss = mean_loss(examples, outputs ? &*outputs : nullptr, interrupt);
  if (!loss) return std::nullopt;
  Evaluation evaluation{*loss, {}};
  if (outputs) {
    const engine::Rows rows{nullptr, 0, examples.rows()};
    evaluation.metrics = measure(metrics, loss_, *outputs, examples.view(), rows, interrupt);
  }
  return evaluation;
}

EpochPlan State::plan(const CheckedExamples& examples, const std::vector<std::size_t>* order,
                      core::InterruptPoll& interrupt) {
  const std::size_t rows = examples.rows();
  EpochPlan plan{};
  plan.examples = examples.view();
  plan.rows = order == nullptr ? engine::Rows{nullptr, 0, rows}
                               : engine::Rows{order->data(), 0, order->size()};
  plan.batch_rows = batch_rows(plan.rows.count);
  dropout_ = {options_.seed, core::kDropoutStream, epoch_, 0};
  plan.dropout = drops_ ? &dropout_ : nullptr;
  plan.penalty = {options_.l2, options_.l1};
  plan.divide_penalty = options_.divide_penalty;
  plan.clipping = clipping();
  plan.weight_unit = examples.weight_unit();
  plan.label_smoothing = options_.label_smoothing;
  plan.interrupt = &interrupt;
  return plan;
}

EpochPlan State::step_plan(const CheckedExamples& examples, core::InterruptPoll& interrupt) {
  EpochPlan plan = this->plan(examples, nullptr, interrupt);
  plan.batch_rows = examples.rows();
  dropout_.purpose = core::kStepDropoutStream;
  dropout_.index = steps_;
  return plan;
}

engine::Clipping State::clipping() const {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  return {options_.clip_value.value_or(kNone), options_.clip_norm.value_or(kNone)};
}

// Has the plan's steps reported in last_steps().
void State::report_steps(EpochPlan& plan) {
  reports_.clear();
  reports_.reserve((plan.rows.count + plan.batch_rows - 1) / plan.batch_rows);
  plan.reports = &reports_;
}

std::vector<StepTerms> State::last_steps() {
  const BetweenSteps between("Trainer.last_steps", *this);
  return reports_;
}

// Batch gradient descent sums over all rows whatever their order.
const std::vector<std::size_t>* State::shuffled(std::size_t rows) {
  if (!options_.shuffle || !options_.batch_size) return nullptr;
  shuffle(rows, options_.seed, epoch_, order_);
  return &order_;
}

void State::set_learning_rate(const LearningRate& learning_rate) {
  const BetweenSteps between("Trainer.learning_rate", *this);
  validate("Trainer", learning_rate);
  std::visit([&](auto& rule) { rule.learning_rate = learning_rate; }, optimizer_);
}

template <class View>
void State::check_optimizer_state(const char* where, const std::vector<View>& vectors) const {
  if (vectors.size() != state_vectors(optimizer_)) {
    throw invalid(where, ": got ", vectors.size(), " vectors, but ", name(optimizer_),
                  " with these settings keeps ", state_vectors(optimizer_), ".");
  }
  for (const View& vector : vectors) check_size(where, vector);
}

template <class View>
void State::check_size(const char* where, const View& vector) const {
  if (vector.size() == network_->layout.count && vector.dtype() == network_->spec.dtype) return;
  throw invalid(where, ": a vector has ", vector.size(), " elements of ", name(vector.dtype()),
                ", but the network has ", network_->layout.count, " parameters of ",
                name(network_->spec.dtype), ".");
}

void State::check_finite(const char* where, const ConstVectorView& vector) const {
  engine::check_finite(where, "a vector", {vector.data(), vector.dtype(), 1, vector.size()},
                       network_->spec.dtype, {});
}

void State::get_optimizer_state(const std::vector<VectorView>& vectors) {
  constexpr const char* kWhere = "Trainer.optimizer_state";
  const BetweenSteps between(kWhere, *this);
  check_optimizer_state(kWhere, vectors);
  for (std::size_t i = 0; i < vectors.size(); ++i) copy_optimizer_vector(i, vectors[i].data());
}

void State::set_optimizer_state(std::size_t steps, const std::vector<ConstVectorView>& vectors) {
  constexpr const char* kWhere = "Trainer.optimizer_state";
  const Busy busy(kWhere, *this);
  check_optimizer_state(kWhere, vectors);
  check_no_run(kWhere);
  for (const ConstVectorView& vector : vectors) check_finite(kWhere, vector);
  for (std::size_t i = 0; i < vectors.size(); ++i) set_optimizer_vector(i, vectors[i].data());
  steps_ = steps;
}

void State::copy_optimizer_vector(std::size_t vector, void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    engine::to_canonical(network_->layout, memory<T>().state[vector].data(),
                         static_cast<T*>(canonical));
  });
}

void State::set_optimizer_vector(std::size_t vector, const void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    const std::size_t size = network_->layout.size;
    T* const state = memory<T>().state[vector].data();
    engine::from_canonical(network_->layout, static_cast<const T*>(canonical), state);
    growth_.state_within(kernels.absolute_sum(1, size, state, size));
  });
}

void State::set_counters(std::size_t epoch, std::size_t steps) {
  epoch_ = epoch;
  steps_ = steps;
}

// The average starts at the parameters before the trainer's first step.
void State::begin_average() {
  if (!options_.average_decay || has_average_) return;
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::copy_n(network_->theta<T>(), network_->layout.size, memory<T>().average.data());
  });
  has_average_ = true;
}

std::shared_ptr<network::State> State::averaged_network() {
  constexpr const char* kWhere = "Trainer.averaged_network";
  const BetweenSteps between(kWhere, *this);
  if (!options_.average_decay) {
    throw invalid(kWhere, ": this trainer keeps no average; give it an average_decay.");
  }
  auto averaged = std::make_shared<network::State>(*network_);
  if (!has_average_) return averaged;
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::copy_n(memory<T>().average.data(), network_->layout.size, averaged->theta<T>());
  });
  return averaged;
}

void State::set_averaged_parameters(const ConstVectorView& parameters) {
  constexpr const char* kWhere = "Trainer.set_averaged_parameters";
  const Busy busy(kWhere, *this);
  if (!options_.average_decay) {
    throw invalid(kWhere, ": this trainer keeps no average; give it an average_decay.");
  }
  check_no_run(kWhere);
  check_size(kWhere, parameters);
  check_finite(kWhere, parameters);
  set_average(parameters.data());
}

void State::copy_average(void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    engine::to_canonical(network_->layout, memory<T>().average.data(), static_cast<T*>(canonical));
  });
}

void State::set_average(const void* canonical) {
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    engine::from_canonical(network_->layout, static_cast<const T*>(canonical),
                           memory<T>().average.data());
  });
  has_average_ = true;
}

void State::discard_run() {
  if (record && record->epoch) ++epoch_;
  record.reset();
  extra = {};
}

void State::check_no_run(const char* where) const {
  if (!record) return;
  throw std::runtime_error(
      core::text(where,
                 ": this trainer was saved within a run; fit goes on with it, discard_run gives "
                 "it up."));
}

double State::step(const ConstMatrixView& inputs, const Targets& targets,
                   ConstVectorView sample_weight, const std::function<bool()>& interrupted) {
  constexpr const char* kWhere = "Trainer.step";
  const Busy busy(kWhere, *this);
  check_no_run(kWhere);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt}, options_.class_weight);
  reserve(examples.rows());
  EpochPlan plan = step_plan(examples, interrupt);
  report_steps(plan);
  EpochProgress progress;
  run(kWhere, plan, progress);
  return progress.loss_sum / progress.weight_sum;
}

double State::run_epoch(const ConstMatrixView& inputs, const Targets& targets,
                        const std::vector<std::size_t>* order, ConstVectorView sample_weight,
                        const std::function<bool()>& interrupted, InputCheck check) {
  constexpr const char* kWhere = "Trainer.run_epoch";
  const Busy busy(kWhere, *this);
  check_no_run(kWhere);
  core::InterruptPoll interrupt(interrupted);
  const CheckedExamples examples(kWhere, *network_, inputs, targets, loss_, sample_weight,
                                 {options_.threads, &interrupt, check == InputCheck::finite},
                                 options_.class_weight);
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
  EpochPlan plan =
      this->plan(examples, order == nullptr ? shuffled(examples.rows()) : order, interrupt);
  report_steps(plan);
  const EpochAtWork epoch(*this);
  EpochProgress progress;
  run(kWhere, plan, progress);
  return progress.loss_sum / progress.weight_sum;
}

}  // namespace descend::trainer
