// Losses L(f, y) of one row: f the network's outputs, y its targets.
#pragma once

#include <string>
#include <vector>

namespace descend {

/// One row a loss: name, and what targets it takes (`any` real values; `labels` class
/// indices or rows of probabilities; `unit` values in [0, 1]; `counts` values >= 0).
/// The loss and its gradient stand in kernels/losses.hpp.
///
///   squared_error          1/2 sum_j (f_j - y_j)^2
///   absolute_error         sum_j |f_j - y_j|, with gradient 0 where equal
///   huber                  sum_j d^2 / 2 where |d| <= 1, else |d| - 1/2; d = f_j - y_j
///   softmax_cross_entropy  - sum_j y_j log softmax(f)_j; a class index is a one-hot row
///   sigmoid_cross_entropy  sum_j log(1 + exp(f_j)) - y_j f_j
///   poisson                sum_j exp(f_j) - y_j f_j
#define DESCEND_LOSSES(ROW)          \
  ROW(squared_error, any)            \
  ROW(absolute_error, any)           \
  ROW(huber, any)                    \
  ROW(softmax_cross_entropy, labels) \
  ROW(sigmoid_cross_entropy, unit)   \
  ROW(poisson, counts)

enum class Loss {
#define DESCEND_ROW(name, targets) name,
  DESCEND_LOSSES(DESCEND_ROW)
#undef DESCEND_ROW
};

/// What a loss takes as targets.
enum class TargetKind { any, labels, unit, counts };

/// Every name, in the order of the enumeration.
std::vector<std::string> loss_names();
std::string name(Loss loss);
/// Throws std::invalid_argument, listing the known names.
Loss parse_loss(const std::string& name);
TargetKind target_kind(Loss loss);

}  // namespace descend
