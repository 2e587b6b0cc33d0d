#include "descend/trainer.hpp"

#include <limits>
#include <string_view>
#include <utility>

#include "core/checks.hpp"
#include "core/interrupt_poll.hpp"
#include "core/utf8.hpp"
#include "trainer/fit.hpp"
#include "trainer/state.hpp"
#include "trainer/trainer_file.hpp"

namespace descend {

namespace {

using trainer::State;

void check_text(const char* where, const char* what, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = core::utf8_length(text);
    if (length == 0) throw core::invalid(where, ": ", what, " is not UTF-8.");
    text.remove_prefix(length);
  }
}

void check_tensor(const char* where, const std::string& name, const ExtraTensor& tensor) {
  check_text(where, "the name of a tensor", name);
  std::size_t bytes = element_size(tensor.dtype);
  for (const std::size_t length : tensor.shape) bytes = core::checked_product(bytes, length, where);
  if (bytes == 0 || bytes != tensor.bytes.size()) {
    throw core::invalid(where, ": tensor ", core::quoted(name), " has ", tensor.bytes.size(),
                        " bytes, but its shape takes ", bytes, "; none may be empty.");
  }
}

// What `fit` gives, or an empty history where it is interrupted before it has changed anything.
template <class Fit>
History interruptible(const Fit& fit) {
  try {
    return fit();
  } catch (const core::Interrupted&) {
    History history;
    history.stop_reason = StopReason::interrupted;
    return history;
  }
}

}  // namespace

Trainer::Trainer(const Network& network, Loss loss, Optimizer optimizer, TrainerOptions options)
    : state_(std::make_unique<trainer::State>(network.state_, loss, optimizer, options)) {}
Trainer::Trainer(std::unique_ptr<trainer::State> state) : state_(std::move(state)) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

History Trainer::fit(InputView inputs, const Targets& targets, const FitOptions& options) {
  return interruptible([&] { return trainer::fit(*state_, inputs, targets, options); });
}

History Trainer::fit(const BatchSource& batches, const FitOptions& options) {
  return interruptible([&] { return trainer::fit(*state_, batches, options); });
}

double Trainer::run_epoch(InputView inputs, const Targets& targets,
                          const std::vector<std::size_t>* order, ConstVectorView sample_weight,
                          const std::function<bool()>& interrupted, InputCheck check) {
  try {
    return state_->run_epoch(inputs, targets, order, sample_weight, interrupted, check);
  } catch (const core::Interrupted&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

double Trainer::step(InputView inputs, const Targets& targets, ConstVectorView sample_weight,
                     const std::function<bool()>& interrupted) {
  try {
    return state_->step(inputs, targets, sample_weight, interrupted);
  } catch (const core::Interrupted&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
}

std::optional<Evaluation> Trainer::evaluate(InputView inputs, const Targets& targets,
                                            const std::vector<AnyMetric>& metrics,
                                            ConstVectorView sample_weight,
                                            const std::function<bool()>& interrupted) const {
  try {
    return state_->evaluate(inputs, targets, metrics, sample_weight, interrupted);
  } catch (const core::Interrupted&) {
    return std::nullopt;
  }
}

std::vector<StepTerms> Trainer::last_steps() const { return state_->last_steps(); }
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

Network Trainer::averaged_network() const { return Network(state_->averaged_network()); }
void Trainer::set_averaged_parameters(ConstVectorView parameters) {
  state_->set_averaged_parameters(parameters);
}

void Trainer::save(const std::string& path) const {
  const State::BetweenSteps between("Trainer.save", *state_);
  trainer::write_trainer_file(path, *state_);
}

Trainer Trainer::load(const std::string& path, int threads,
                      const std::optional<LearningRate>& learning_rate, Device device) {
  return Trainer(trainer::read_trainer_file(path, threads, learning_rate, device));
}

std::optional<History> Trainer::unfinished_run() const {
  const State::BetweenSteps between("Trainer.unfinished_run", *state_);
  if (!state_->record) return std::nullopt;
  History history = state_->record->history;
  history.stop_reason = state_->record->reason.value_or(StopReason::interrupted);
  return history;
}

void Trainer::discard_run() {
  const State::Busy busy("Trainer.discard_run", *state_);
  state_->discard_run();
}

void Trainer::end_run() {
  const State::BetweenSteps between("Trainer.end_run", *state_);
  if (state_->record && !state_->record->reason) {
    state_->record->reason = StopReason::interrupted;
  }
}

TrainerExtra Trainer::extra() const {
  const State::BetweenSteps between("Trainer.extra", *state_);
  return state_->extra;
}

void Trainer::set_extra(TrainerExtra extra) {
  constexpr const char* kWhere = "Trainer.set_extra";
  const State::BetweenSteps between(kWhere, *state_);
  check_text(kWhere, "the text", extra.text);
  for (const auto& [name, tensor] : extra.tensors) check_tensor(kWhere, name, tensor);
  state_->extra = std::move(extra);
}

Loss Trainer::loss() const { return state_->loss(); }
const TrainerOptions& Trainer::options() const { return state_->options(); }
Network Trainer::network() const { return Network(state_->network()); }
std::size_t Trainer::epoch() const { return state_->epoch(); }
std::size_t Trainer::steps() const { return state_->steps(); }

}  // namespace descend
