// The losses of some rows: where their targets are, and the kernel's call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "descend/loss.hpp"
#include "engine/examples.hpp"
#include "kernels/kernel_table.hpp"

namespace descend::engine {

/// Room for what is gathered and computed of some rows.
template <class T>
struct LossRoom {
  T* y;  ///< (rows, outputs): targets that are not read in place
  std::size_t ld_y;
  std::int32_t* labels;  ///< (rows)
  T* losses;             ///< (rows)
};

/// What the losses of `rows` are computed from: their outputs f (rows.count, outputs), and their
/// targets, in place or in the room. Derivatives are not asked for yet.
template <class T>
kernels::LossArguments<T> loss_arguments(const kernels::Kernels<T>& kernels, const Targets& targets,
                                         const Rows& rows, std::size_t outputs, const Matrix<T>& f,
                                         const LossRoom<T>& room) {
  kernels::LossArguments<T> arguments{};
  arguments.rows = rows.count;
  arguments.outputs = outputs;
  arguments.f = f.data;
  arguments.ld_f = f.ld;
  if (targets.are_labels()) {
    gather_labels(targets.labels(), rows, room.labels);
    arguments.labels = room.labels;
  } else {
    const Matrix<T> y = rows_of(kernels, targets.values(), rows, room.y, room.ld_y);
    arguments.y = y.data;
    arguments.ld_y = y.ld;
  }
  arguments.losses = room.losses;
  return arguments;
}

/// Computes them. `labels` are the rows', null where they have none: where one is no class, the
/// loss is NaN, so that no step is taken from it.
template <class T>
void compute_losses(const kernels::Kernels<T>& kernels, Loss loss,
                    const kernels::LossArguments<T>& arguments, const std::int32_t* labels) {
  kernels.loss[static_cast<int>(loss)](arguments);
  if (labels == nullptr) return;
  for (std::size_t i = 0; i < arguments.rows; ++i) {
    if (!is_class(labels[i], arguments.outputs)) {
      arguments.losses[i] = std::numeric_limits<T>::quiet_NaN();
    }
  }
}

}  // namespace descend::engine
