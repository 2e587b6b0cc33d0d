// Losses L(f, y) of rows and their gradients, one struct for each row of loss.hpp.
//   f (rows, outputs)  y (rows, outputs)  d_outputs = scale_i dL_i / df
// A loss that is a sum over outputs gives value() and derivative() of one group of outputs and
// leaves the rows to SumOverOutputs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.hpp"
#include "kernels/math.hpp"
#include "kernels/row_lanes.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {
namespace losses {

/// `x` in the lanes that are there, `other` in the rest.
template <class T>
DESCEND_INLINE Vec<T> where_there(Group group, Vec<T> x, Vec<T> other) {
  const Vec<T> lanes = Vec<T>::broadcast(static_cast<T>(group.lanes));
  return select(less(Vec<T>::lane_index(), lanes), x, other);
}

template <class T>
DESCEND_FUNCTION bool is_narrow(const LossArguments<T>& loss) {
  return loss.outputs <= kNarrowOutputs;
}

/// Calls body(first, count) for rows [first, first + count), at most a group, of all rows.
template <class T, class Body>
DESCEND_INLINE void for_each_group_of_rows(std::size_t rows, Body&& body) {
  for (std::size_t row = 0; row < rows; row += kGroup<T>) {
    const std::size_t rest = rows - row;
    body(row, rest < kGroup<T> ? rest : kGroup<T>);
  }
}

template <class T, template <class> class L>
struct SumOverOutputs {
  static DESCEND_FUNCTION void rows(const LossArguments<T>& loss) {
    if (is_narrow(loss)) {
      for_each_group_of_rows<T>(loss.rows, [&](std::size_t first, std::size_t count) {
        narrow_rows(loss, first, count);
      });
      return;
    }
    for (std::size_t row = 0; row < loss.rows; ++row) {
      const T* f_row = loss.f + row * loss.ld_f;
      const T* y_row = loss.y + row * loss.ld_y;
      Vec<T> total = Vec<T>::zero();
      for_each_group<T>(loss.outputs, [&](Group group) {
        const Vec<T> f = Vec<T>::load_first(f_row + group.column, group.lanes);
        const Vec<T> y = Vec<T>::load_first(y_row + group.column, group.lanes);
        total = total + where_there(group, L<T>::value(f, y), Vec<T>::zero());
        if (loss.d_outputs != nullptr) {
          const Vec<T> d = Vec<T>::broadcast(loss.scale[row]) * L<T>::derivative(f, y);
          store_group(loss, row, group, where_there(group, d, Vec<T>::zero()));
        }
      });
      loss.losses[row] = sum(total);
    }
  }

 private:
  static DESCEND_FUNCTION void narrow_rows(const LossArguments<T>& loss, std::size_t first,
                                           std::size_t count) {
    Transposed<T> outputs, targets;
    outputs.read(loss.f + first * loss.ld_f, loss.ld_f, count, loss.outputs);
    targets.read(loss.y + first * loss.ld_y, loss.ld_y, count, loss.outputs);
    const bool derive = loss.d_outputs != nullptr;
    const Vec<T> scale = derive ? Vec<T>::load_first(loss.scale + first, count) : Vec<T>::zero();
    Vec<T> total = Vec<T>::zero();
    for (std::size_t j = 0; j < loss.outputs; ++j) {
      const Vec<T> f = outputs.output(j), y = targets.output(j);
      total = total + L<T>::value(f, y);
      if (derive) outputs.set_output(j, scale * L<T>::derivative(f, y));
    }
    total.store_first(loss.losses + first, count);
    if (derive) outputs.write(loss, first, count);
  }
};

template <class T>
struct squared_error : SumOverOutputs<T, squared_error> {
  static DESCEND_INLINE Vec<T> value(Vec<T> f, Vec<T> y) {
    const Vec<T> d = f - y;
    return d * d * Vec<T>::broadcast(T(0.5));
  }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> f, Vec<T> y) { return f - y; }
};

template <class T>
struct absolute_error : SumOverOutputs<T, absolute_error> {
  static DESCEND_INLINE Vec<T> value(Vec<T> f, Vec<T> y) { return abs(f - y); }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> f, Vec<T> y) {
    const Vec<T> one = Vec<T>::broadcast(1);
    const Vec<T> above = select(less(y, f), one, Vec<T>::zero());
    return select(less(f, y), -one, above);
  }
};

template <class T>
struct huber : SumOverOutputs<T, huber> {
  static DESCEND_INLINE Vec<T> value(Vec<T> f, Vec<T> y) {
    const Vec<T> half = Vec<T>::broadcast(T(0.5));
    const Vec<T> size = abs(f - y);
    return select(less(Vec<T>::broadcast(1), size), size - half, size * size * half);
  }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> f, Vec<T> y) { return clamp(f - y, T(-1), T(1)); }
};

template <class T>
struct sigmoid_cross_entropy : SumOverOutputs<T, sigmoid_cross_entropy> {
  static DESCEND_INLINE Vec<T> value(Vec<T> f, Vec<T> y) {
    return fma(-y, f, max(Vec<T>::zero(), f)) + log1p(exp(-abs(f)));
  }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> f, Vec<T> y) { return sigmoid(f) - y; }
};

template <class T>
struct poisson : SumOverOutputs<T, poisson> {
  static DESCEND_INLINE Vec<T> value(Vec<T> f, Vec<T> y) { return fma(-y, f, exp(f)); }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> f, Vec<T> y) { return exp(f) - y; }
};

template <class T>
struct softmax_cross_entropy {
  static DESCEND_FUNCTION void rows(const LossArguments<T>& loss) {
    const bool narrow = is_narrow(loss);
    for_each_group_of_rows<T>(loss.rows, [&](std::size_t first, std::size_t count) {
      if (narrow) {
        narrow_rows(loss, first, count);
      } else {
        group_of_rows(loss, first, count);
      }
    });
  }

 private:
  static DESCEND_FUNCTION void narrow_rows(const LossArguments<T>& loss, std::size_t first,
                                           std::size_t count) {
    Transposed<T> outputs, targets;
    outputs.read(loss.f + first * loss.ld_f, loss.ld_f, count, loss.outputs);
    Vec<T> label = Vec<T>::zero();
    if (loss.labels == nullptr) {
      targets.read(loss.y + first * loss.ld_y, loss.ld_y, count, loss.outputs);
    } else {
      Lanes<T> labels;
      for (std::size_t i = 0; i < count; ++i) {
        labels.set(i, static_cast<T>(loss.labels[first + i]));
      }
      label = labels.vec(count);
    }
    const auto target = [&](std::size_t j) {
      if (loss.labels == nullptr) return targets.output(j);
      const auto is_label = equal(label, Vec<T>::broadcast(static_cast<T>(j)));
      return select(is_label, Vec<T>::broadcast(1), Vec<T>::zero());
    };
    // exp overflows where f is large: take the row's maximum off first.
    Vec<T> highest = outputs.output(0);
    for (std::size_t j = 1; j < loss.outputs; ++j) highest = max(highest, outputs.output(j));
    Vec<T> exp_sum = Vec<T>::zero(), y_sum = Vec<T>::zero(), y_below = Vec<T>::zero();
    for (std::size_t j = 0; j < loss.outputs; ++j) {
      const Vec<T> f = outputs.output(j), y = target(j);
      const Vec<T> e = exp(f - highest);
      exp_sum = exp_sum + e;
      y_sum = y_sum + y;
      // An output of -infinity costs nothing where its target is 0.
      y_below = y_below + select(equal(y, Vec<T>::zero()), Vec<T>::zero(), y * (highest - f));
      outputs.set_output(j, e);
    }
    // - sum_j y_j log(e_j / sum e) = sum_j y_j (highest - f_j) + (sum_j y_j) log(sum e)
    fma(y_sum, log(exp_sum), y_below).store_first(loss.losses + first, count);
    if (loss.d_outputs == nullptr) return;
    const Vec<T> scale = Vec<T>::load_first(loss.scale + first, count);
    const Vec<T> factor = y_sum / exp_sum;
    for (std::size_t j = 0; j < loss.outputs; ++j) {
      outputs.set_output(j, scale * fma(outputs.output(j), factor, -target(j)));
    }
    outputs.write(loss, first, count);
  }

  /// Rows [first, first + count): their sums are taken row by row, the logarithms and quotients of
  /// the sums for all rows at once.
  static DESCEND_FUNCTION void group_of_rows(const LossArguments<T>& loss, std::size_t first,
                                             std::size_t count) {
    Lanes<T> exp_sums, y_sums, y_belows, factors;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = first + i;
      const T* f_row = loss.f + row * loss.ld_f;
      // exp overflows where f is large: take the row's maximum off first.
      const Vec<T> highest = Vec<T>::broadcast(row_maximum(f_row, loss.outputs));
      Vec<T> exp_sum = Vec<T>::zero(), y_sum = Vec<T>::zero(), y_below = Vec<T>::zero();
      for_each_group<T>(loss.outputs, [&](Group group) {
        const Vec<T> f = Vec<T>::load_first(f_row + group.column, group.lanes);
        const Vec<T> y = targets(loss, row, group);
        const Vec<T> e = where_there(group, exp(f - highest), Vec<T>::zero());
        exp_sum = exp_sum + e;
        y_sum = y_sum + y;
        // An output of -infinity costs nothing where its target is 0.
        const Vec<T> below = select(equal(y, Vec<T>::zero()), Vec<T>::zero(), y * (highest - f));
        y_below = y_below + below;
        if (loss.d_outputs != nullptr) {
          store_group(loss, row, group, e);
        }
      });
      exp_sums.set(i, sum(exp_sum));
      y_sums.set(i, sum(y_sum));
      y_belows.set(i, sum(y_below));
    }
    // - sum_j y_j log(e_j / sum e) = sum_j y_j (highest - f_j) + (sum_j y_j) log(sum e)
    const Vec<T> totals = exp_sums.vec(count);
    const Vec<T> y_totals = y_sums.vec(count);
    fma(y_totals, log(totals), y_belows.vec(count)).store_first(loss.losses + first, count);
    if (loss.d_outputs == nullptr) return;
    factors.take(y_totals / totals, count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = first + i;
      const T* d_row = loss.d_outputs + row * loss.ld_d;
      for_each_group<T>(loss.outputs, [&](Group group) {
        const Vec<T> e = Vec<T>::load_first(d_row + group.column, group.lanes);
        const Vec<T> d = fma(e, Vec<T>::broadcast(factors.get(i)), -targets(loss, row, group));
        const Vec<T> scaled = Vec<T>::broadcast(loss.scale[row]) * d;
        store_group(loss, row, group, where_there(group, scaled, Vec<T>::zero()));
      });
    }
  }

  static DESCEND_INLINE T row_maximum(const T* f_row, std::size_t outputs) {
    const Vec<T> lowest = Vec<T>::broadcast(-Constants<T>::kInfinity);
    Vec<T> highest = lowest;
    for_each_group<T>(outputs, [&](Group group) {
      const Vec<T> f = Vec<T>::load_first(f_row + group.column, group.lanes);
      highest = max(highest, where_there(group, f, lowest));
    });
    return maximum(highest);
  }

  /// Probabilities as given; a label as a one-hot row, found without using it as an index.
  static DESCEND_INLINE Vec<T> targets(const LossArguments<T>& loss, std::size_t row, Group group) {
    if (loss.labels == nullptr) {
      return Vec<T>::load_first(loss.y + row * loss.ld_y + group.column, group.lanes);
    }
    const auto lane = loss.labels[row] - static_cast<std::int64_t>(group.column);
    const auto is_label = equal(Vec<T>::lane_index(), Vec<T>::broadcast(static_cast<T>(lane)));
    return select(is_label, Vec<T>::broadcast(1), Vec<T>::zero());
  }
};

}  // namespace losses
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
