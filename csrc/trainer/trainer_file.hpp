// A trainer as a safetensors file: its network's file, with keys and tensors beside it that begin
// with "trainer.".
//   metadata  trainer.version, trainer.checksum (of all else), trainer.loss, trainer.epoch,
//             trainer.steps, trainer.option.*, trainer.optimizer and its hyperparameters,
//             trainer.run.* of a run at work, trainer.extra.text
//   tensors   trainer.optimizer.state.N, trainer.average, trainer.run.best and .before
//             (parameters), .loss, .validation_loss, .noise_scale, .learning_rate, .metric.* and
//             .validation_metric.* (epochs), .outputs (rows, outputs) of the rows visited,
//             trainer.extra.tensor.*
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "trainer/state.hpp"

namespace descend::trainer {

/// Replaces the file atomically. Throws FileError, leaving what was there.
void write_trainer_file(const std::string& path, State& state);

/// Trusts nothing in the file. Throws FileError where it cannot be read, std::invalid_argument
/// where it is damaged, not a trainer's, or of a later version.
/// `learning_rate` takes the place of the file's, which may be a function, not in it.
std::unique_ptr<State> read_trainer_file(const std::string& path, int threads,
                                         const std::optional<LearningRate>& learning_rate,
                                         Device device);

}  // namespace descend::trainer
