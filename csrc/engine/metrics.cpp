#include "engine/metrics.hpp"

#include <cstddef>
#include <vector>

#include "core/checks.hpp"
#include "core/float_environment.hpp"
#include "descend/ops.hpp"
#include "engine/data_checks.hpp"
#include "engine/metric_rows.hpp"

namespace descend::engine {

void check_metric(const char* where, const Metric& metric, Loss loss, std::size_t outputs) {
  const bool decides = loss == Loss::softmax_cross_entropy || loss == Loss::sigmoid_cross_entropy;
  if (is_of_classes(metric) && !decides) {
    throw core::invalid(where, ": the metric ", name(metric), " is of classes, but ", name(loss),
                        " predicts values; take r2 or mean_absolute_error, or one of the losses "
                        "softmax_cross_entropy and sigmoid_cross_entropy.");
  }
  if (metric.kind != MetricKind::top_k_accuracy) return;
  if (loss != Loss::softmax_cross_entropy) {
    throw core::invalid(where, ": the metric ", name(metric),
                        " ranks classes of which a row has one, as softmax_cross_entropy does; "
                        "take accuracy with ",
                        name(loss), ".");
  }
  if (metric.k == 0 || metric.k > outputs) {
    throw core::invalid(where, ": the metric ", name(metric), " asks for ", metric.k, " of ",
                        outputs, " outputs, expected 1 to ", outputs, ".");
  }
}

double measure(const Metric& metric, const Measured& measured) try {
  const core::KeepSubnormals keep;
  using Function = double (*)(const Measured&, std::size_t k);
#define DESCEND_ROW(name, of) metrics::name,
  constexpr Function kFunctions[] = {DESCEND_METRICS(DESCEND_ROW)};
#undef DESCEND_ROW
  return kFunctions[static_cast<std::size_t>(metric.kind)](measured, metric.k);
} catch (const metrics::NoClass&) {
  return metrics::kUndefined;
}

}  // namespace descend::engine

namespace descend::ops {

double metric(const Metric& metric, Loss loss, ConstMatrixView outputs, const Targets& targets,
              ConstVectorView sample_weight, const std::function<bool()>& interrupted) try {
  constexpr const char* kWhere = "metric";
  if (outputs.rows() == 0 || outputs.columns() == 0) {
    throw core::invalid(kWhere, ": outputs has shape (", outputs.rows(), ", ", outputs.columns(),
                        "), expected at least one row and one column.");
  }
  engine::check_metric(kWhere, metric, loss, outputs.columns());
  core::InterruptPoll interrupt(interrupted);
  engine::check_targets(kWhere, targets, loss, outputs.rows(), outputs.columns(), DType::float64,
                        {1, &interrupt});
  const std::vector<double> weights =
      engine::checked_weights(kWhere, sample_weight, outputs.rows());
  return engine::measure(metric, {loss,
                                  outputs,
                                  targets,
                                  weights.empty() ? nullptr : weights.data(),
                                  {nullptr, 0, outputs.rows()},
                                  &interrupt});
} catch (const core::Interrupted&) {
  return engine::metrics::kUndefined;
}

}  // namespace descend::ops
