// The network's outputs, and their losses, without a thought of gradients.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>

#include "descend/loss.hpp"
#include "descend/network.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"

namespace descend::engine {

/// Writes the last layer's a for every row of `inputs` into `outputs` (rows, outputs) of T.
/// `interrupted`, which may be empty, is asked every few milliseconds; returns false where it says
/// yes.
template <class T>
bool predict(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta,
             const InputView& inputs, const MatrixView& outputs, int threads,
             const std::function<bool()>& interrupted);

/// J = sum_i w_i L_i / sum_i w_i over all rows of `examples`, whose outputs (rows, outputs) are
/// written where `outputs` is not null. `goes_on`, which may be empty, is asked every few
/// milliseconds between two parts of the work; where it says no, there is no J.
template <class T>
std::optional<double> mean_loss(const NetworkSpec& spec, const ParameterLayout& layout,
                                const T* theta, const Examples& examples, Loss loss, T* outputs,
                                int threads, const std::function<bool()>& goes_on);

}  // namespace descend::engine
