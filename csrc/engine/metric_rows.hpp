// The rows that a metric is of, in double, one after the other, and the functions of the metrics.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/interrupt_poll.hpp"
#include "descend/metric.hpp"
#include "engine/examples.hpp"
#include "engine/metrics.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine::metrics {

/// What a metric is where it says nothing.
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

inline const kernels::Kernels<double>& kernels_of_double() {
  return kernels::kernels_of<double>(kernels::kernel_table());
}

inline void evaluate(kernels::Function function, std::size_t count, double* x) {
  kernels_of_double().evaluate[static_cast<int>(function)](count, x, x);
}

inline double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

inline std::size_t place_of_largest(const double* row, std::size_t columns) {
  return static_cast<std::size_t>(std::max_element(row, row + columns) - row);
}

/// One row in double.
struct Row {
  double weight;
  const double* f;
  const double* y;     ///< null where labels are given
  std::int64_t label;  ///< -1 where they are not

  std::size_t true_class(std::size_t outputs) const {
    return y == nullptr ? static_cast<std::size_t>(label) : place_of_largest(y, outputs);
  }
};

/// A label is none of the classes: the caller has changed it since the checks.
struct NoClass {};

/// Calls visit(row) for each row of some weight, in their order, until it says false. Throws
/// core::Interrupted and NoClass.
template <class Visit>
void for_each_row(const Measured& measured, const Visit& visit) {
  constexpr std::size_t kConverted = 4096;  // elements at a time, at least one row
  const std::size_t outputs = measured.outputs.columns();
  const std::size_t ld = kernels::padded<double>(outputs);
  const std::size_t block = std::max(kConverted / ld, std::size_t{1});
  const Targets& targets = measured.targets;
  std::vector<double> f(block * ld), y(targets.are_labels() ? 0 : block * ld);
  const auto gather = [&](const ConstMatrixView& from, const Rows& rows, std::vector<double>& to) {
    kernels_of_double().gather_rows({rows.count, outputs, from.data(), from.element_type(),
                                     from.row_stride(), rows.order, rows.first, to.data(), ld});
  };
  core::InterruptPoll* const interrupt = measured.interrupt;
  for (std::size_t first = 0; first < measured.rows.count; first += block) {
    if (interrupt != nullptr && interrupt->due(core::InterruptPoll::Clock::now()) &&
        interrupt->ask()) {
      interrupt->end();
    }
    const Rows rows = measured.rows.part(first, std::min(first + block, measured.rows.count));
    gather(measured.outputs, rows, f);
    if (!targets.are_labels()) gather(targets.values(), rows, y);
    for (std::size_t i = 0; i < rows.count; ++i) {
      const double weight = measured.weights == nullptr ? 1.0 : measured.weights[rows[i]];
      if (weight == 0.0) continue;
      const bool labels = targets.are_labels();
      const Row row{weight, f.data() + i * ld, labels ? nullptr : y.data() + i * ld,
                    labels ? targets.labels()[rows[i]] : -1};
      if (labels && !is_class(row.label, outputs)) throw NoClass();
      if (!visit(row)) return;
    }
  }
}

inline bool has_nan(const double* row, std::size_t columns) {
  return std::any_of(row, row + columns, [](double value) { return std::isnan(value); });
}

/// Each metric's own function; `k` is that of top_k_accuracy. They throw as for_each_row does.
#define DESCEND_ROW(name, of) double name(const Measured& measured, std::size_t k);
DESCEND_METRICS(DESCEND_ROW)
#undef DESCEND_ROW

}  // namespace descend::engine::metrics
