#include "descend/trainer.hpp"

#include <limits>
#include <utility>

#include "core/interrupt_poll.hpp"
#include "trainer/run.hpp"
#include "trainer/state.hpp"

namespace descend {

Trainer::Trainer(const Network& network, Loss loss, Optimizer optimizer, TrainerOptions options)
    : state_(std::make_unique<trainer::State>(network.state_, loss, optimizer, options)) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

History Trainer::fit(ConstMatrixView inputs, const Targets& targets, const FitOptions& options) {
  try {
    return trainer::fit(*state_, inputs, targets, options);
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

Network Trainer::network() const { return Network(state_->network()); }
std::size_t Trainer::epoch() const { return state_->epoch(); }
std::size_t Trainer::steps() const { return state_->steps(); }

}  // namespace descend
