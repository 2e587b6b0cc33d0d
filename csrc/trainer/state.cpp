#include "trainer/state.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <variant>

#include "core/checks.hpp"
#include "core/philox.hpp"
#include "core/thread_team.hpp"
#include "engine/forward_pass.hpp"
#include "trainer/cuda_loop.hpp"
#include "trainer/options.hpp"
#include "trainer/shuffle.hpp"

namespace descend::trainer {

namespace {

using core::invalid;
using network::CheckedExamples;

// Throws the error, if one, that ended a stretch of steps behind step number `steps`.
void check_end(const char* where, const StretchEnd& end, std::size_t steps, std::size_t epoch,
               DType dtype) {
  if (end.no_learning_rate != nullptr) {
    try {
      std::rethrow_exception(end.no_learning_rate);
    } catch (const std::invalid_argument& error) {
      throw invalid(where, ": ", error.what(), " The parameters are those after step ", steps, ".");
    }
  }
  if (end.overflow || end.non_finite_loss) {
    const std::size_t step = steps + 1;
    const char* what = "the update";
    std::string found = core::text("overflows ", name(dtype));
    if (end.non_finite_loss) {
      what = "the loss";
      found = std::isnan(*end.non_finite_loss) ? "is nan" : "is inf";
    }
    throw NonFiniteLoss(
        core::text(where, ": ", what, " of step ", step, " (epoch ", epoch, ") ", found,
                   "; the parameters are those after step ", steps,
                   ". A lower learning rate or inputs and targets nearer to 1 may help."));
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
  check_options(options_, loss_, network_->spec.layers.back().units);
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

void State::reserve(std::size_t batch_rows, const CheckedExamples& examples) {
  if (options_.device == Device::cuda) {
    network::with_type(network_->spec.dtype,
                       [&](auto zero) { reserve_cuda<decltype(zero)>(batch_rows); });
    return;
  }
  const std::size_t block_rows = std::min(batch_rows, engine::kBlockRows);
  const double work = core::step_work(block_rows, network_->layout.count);
  const int workers = core::team_size(options_.threads, work);
  if (workers != most_workers_ || block_rows != tuned_rows_) {
    tuner_.emplace(core::TunedWork{core::TunedPiece::step, workers, block_rows,
                                   network_->layout.count, element_size(network_->spec.dtype)},
                   core::worth_tuning(options_.threads, work));
    most_workers_ = workers;
    tuned_rows_ = block_rows;
  }
  network::with_type(network_->spec.dtype, [&](auto zero) {
    using T = decltype(zero);
    Memory<T>& memory = this->memory<T>();
    if (memory.engine == nullptr || memory.engine->block_rows() < block_rows ||
        memory.engine_workers < workers) {
      // Both or none: memory may be short.
      auto engine = std::make_unique<engine::CpuEngine<T>>(network_->spec, network_->layout, loss_,
                                                           block_rows, workers);
      if (options_.track_gradient_noise) {
        memory.noise = std::make_unique<engine::StepNoise<T>>(network_->layout, block_rows);
        engine->measure_row_norms();
      }
      memory.engine = std::move(engine);
      memory.engine_workers = workers;
    }
    memory.engine->take_inputs_of(examples.view());
    const bool in_memory =
        options_.track_gradient_noise || keeps_gradient(*memory.engine, clipping(), batch_rows);
    if (in_memory && memory.gradient.size() == 0) {
      memory.gradient = core::AlignedBuffer<T>(network_->layout.size);
    }
  });
}

// The optimizer's state and the average, which steps on a GPU leave there.
template <class T>
void State::bring_cuda_vectors() {
  Memory<T>& memory = this->memory<T>();
  if (!memory.cuda_alone_has_vectors) return;
  memory.cuda->bring_vectors();
  memory.cuda_alone_has_vectors = false;
}

template void State::bring_cuda_vectors<float>();
template void State::bring_cuda_vectors<double>();

// Where memory is short nothing was done yet, and all is kept; what a GPU that fails held is lost.
template <class T>
void State::give_up_cuda() {
  Memory<T>& memory = this->memory<T>();
  try {
    bring_cuda_vectors<T>();
  } catch (const std::exception&) {  // the error at hand is the one to tell
  }
  memory.cuda_alone_has_vectors = memory.cuda_has_vectors = false;
  memory.cuda.reset();
}

template <class T>
void State::reserve_cuda(std::size_t batch_rows) {
  Memory<T>& memory = this->memory<T>();
  try {
    if (memory.cuda == nullptr) {
      memory.cuda = std::make_unique<engine::CudaEngine<T>>(
          network_->spec, network_->layout, loss_, optimizer_, options_.average_decay.has_value());
      memory.cuda_has_vectors = false;
    }
    memory.cuda->reserve(batch_rows);
  } catch (...) {
    give_up_cuda<T>();
    throw;
  }
}

// Within the lock on the network.
template <class T>
StretchEnd State::run_cuda(const EpochPlan& plan, const engine::Vectors<T>& vectors,
                           EpochProgress& progress) {
  Memory<T>& memory = this->memory<T>();
  const core::SharedMutex& mutex = network_->mutex;
  const NewVectors new_vectors = !memory.cuda_has_vectors ? NewVectors::all
                                 : mutex.writers() != memory.cuda_has_theta_of + 1
                                     ? NewVectors::parameters
                                     : NewVectors::none;
  try {
    const StretchEnd end =
        run_cuda_steps<T>(*memory.cuda, plan, optimizer_, vectors, new_vectors, progress);
    memory.cuda_has_vectors = memory.cuda_alone_has_vectors = true;
    memory.cuda_has_theta_of = mutex.writers();
    return end;
  } catch (...) {
    give_up_cuda<T>();
    throw;
  }
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
    if (options_.device == Device::cuda) return run_cuda<T>(plan, vectors, progress);
    return run_steps<T>({*memory.engine, vectors, memory.gradient.data(), memory.noise.get(),
                         tuner_->tuner(), growth_},
                        plan, optimizer_, progress);
  });
  steps_ += progress.steps - steps_before;
  check_end(where, end, steps_, epoch, network_->spec.dtype);
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

EpochPlan State::plan(const CheckedExamples& examples, const std::vector<std::size_t>* order,
                      core::InterruptPoll& interrupt) {
  const std::size_t rows = examples.rows();
  EpochPlan plan{};
  plan.examples = examples.view();
  plan.examples_serial = examples.serial();
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

void State::set_counters(std::size_t epoch, std::size_t steps) {
  epoch_ = epoch;
  steps_ = steps;
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

}  // namespace descend::trainer
