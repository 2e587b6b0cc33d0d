// What is checked of a trainer's options before anything is done with them.
#pragma once

#include <cstddef>

#include "descend/loss.hpp"
#include "descend/trainer.hpp"

namespace descend::trainer {

/// Throws std::invalid_argument, as Trainer's constructor does, unless they are possible for a
/// network of so many outputs under `loss`.
void check_options(const TrainerOptions& options, Loss loss, std::size_t outputs);

}  // namespace descend::trainer
