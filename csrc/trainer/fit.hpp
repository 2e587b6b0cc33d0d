// Trainer::fit: the checks of what it is given, and the run.
#pragma once

#include "descend/trainer.hpp"
#include "trainer/state.hpp"

namespace descend::trainer {

/// Trainer::fit. Throws core::Interrupted where it is interrupted before it has changed anything.
History fit(State& state, const InputView& inputs, const Targets& targets,
            const FitOptions& options);
History fit(State& state, const BatchSource& source, const FitOptions& options);

}  // namespace descend::trainer
