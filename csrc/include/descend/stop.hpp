// When a training run ends, and why it ended.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace descend {

/// Conditions that end a run before its last epoch; an empty one is not checked.
/// Changes are taken from epoch to epoch, which is from step to step in batch gradient descent.
struct Stop {
  std::optional<std::size_t> max_steps;    ///< optimizer steps in this run
  std::optional<double> parameter_change;  ///< ||theta_new - theta_old|| below this
  std::optional<double> loss_change;       ///< |J_new - J_old| below this
  std::optional<double> target_loss;       ///< J at or below this
  std::optional<double> seconds;           ///< wall time of the run
  std::optional<std::size_t> patience;     ///< epochs without a lower validation loss
};

/// One row a reason: the condition that ended the run; `epochs` where all were done.
#define DESCEND_STOP_REASONS(ROW) \
  ROW(epochs)                     \
  ROW(max_steps)                  \
  ROW(parameter_change)           \
  ROW(loss_change)                \
  ROW(target_loss)                \
  ROW(seconds)                    \
  ROW(patience)                   \
  ROW(interrupted)

enum class StopReason {
#define DESCEND_ROW(name) name,
  DESCEND_STOP_REASONS(DESCEND_ROW)
#undef DESCEND_ROW
};

std::string name(StopReason reason);
/// Throws std::invalid_argument where a condition is negative, not a number or 0 epochs.
void validate(const Stop& stop);

}  // namespace descend
