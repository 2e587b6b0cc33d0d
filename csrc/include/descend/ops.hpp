// Stateless operations on the caller's arrays; all of one call have one dtype, but for targets,
// sample weights and what metrics are of.
//   x (rows, inputs)  w (inputs, units)  b (units)  z = x w + b  a = f(z)  d_v = dJ/dv
#pragma once

#include <functional>

#include "descend/activation.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"
#include "descend/metric.hpp"

namespace descend::ops {

/// a = f(x w + b) into `a` (rows, units). Throws std::invalid_argument on a mismatch.
void dense_forward(ConstMatrixView x, ConstMatrixView w, ConstVectorView b, Activation activation,
                   MatrixView a);

/// Backpropagation through one layer: from d_a (rows, units) to d_x (rows, inputs),
/// d_w (inputs, units) and d_b (units). `z_or_a` is z where derivative_needs_z(activation),
/// else a. Throws std::invalid_argument on a mismatch.
void dense_backward(ConstMatrixView d_a, ConstMatrixView x, ConstMatrixView w,
                    ConstMatrixView z_or_a, Activation activation, MatrixView d_x, MatrixView d_w,
                    VectorView d_b);

/// J = sum_i w_i L_i / sum_i w_i, and dJ/d outputs into `d_outputs` (rows, outputs).
double loss(Loss loss, ConstMatrixView outputs, const Targets& targets, MatrixView d_outputs,
            ConstVectorView sample_weight = {});

/// One metric of a network's raw outputs (rows, outputs), which are of any element type; `loss` is
/// the one it was trained by. `interrupted` is asked every few milliseconds; NaN where it says
/// true. Throws std::invalid_argument where they do not fit each other.
double metric(const Metric& metric, Loss loss, ConstMatrixView outputs, const Targets& targets,
              ConstVectorView sample_weight = {}, const std::function<bool()>& interrupted = {});

}  // namespace descend::ops
