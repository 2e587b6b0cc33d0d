// Metrics: how good a network's outputs are, in words other than the loss.
//   f (rows, outputs) raw outputs   y their targets   w weight of a row, 1 without weights
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"

namespace descend {

/// One row a metric: name, and what it is of: `classes` decided for, or `values` predicted.
/// The metric itself stands in engine/metrics_of_*.cpp. Rows of weight 0 are as if not given, and a
/// NaN among the outputs makes it NaN.
///
/// Metrics of classes go with two losses. With softmax_cross_entropy a row is decided for the class
/// of its largest output, and is of the class of its largest target, the first of equal ones. With
/// sigmoid_cross_entropy every output is a question with the classes no and yes: decided for yes
/// where f > 0, and of it where y > 1/2; the metric is the mean of the outputs'. The weights of
/// rows that are of a class, decided for it, and both, are of(c), for(c) and both(c):
///
///   accuracy           sum_c both(c) / sum_c of(c)
///   balanced_accuracy  the mean of both(c) / of(c) over the classes that rows are of
///   precision          both(c) / for(c), 0 where no row is decided for c
///   recall             both(c) / of(c), 0 where no row is of c
///   f1                 2 both(c) / (of(c) + for(c))
///   roc_auc            the weight of the pairs of a row of c and one that is not in which the one
///                      of c has the larger probability of c, equal ones counting half, over that
///                      of all such pairs; NaN where there is none
///   top_k_accuracy     the share of the rows whose class is among the k of the largest outputs,
///                      of equal ones the first; written with a number, such as top_3_accuracy
///
/// Precision, recall and f1 are of yes, or the mean over the classes that rows are of or decided
/// for; roc_auc is the mean over the classes that have such pairs (macro, one against the rest).
/// top_k_accuracy goes with softmax_cross_entropy alone.
///
/// Metrics of values compare the mean that the network predicts, p, with y: p = f, or with poisson
/// exp(f), and with the losses above the probabilities, a class index being a one-hot row. They are
/// means over the outputs of
///
///   mean_absolute_error      sum_i w_i |p_i - y_i| / sum_i w_i
///   mean_squared_error       sum_i w_i (p_i - y_i)^2 / sum_i w_i
///   root_mean_squared_error  the square root of that
///   r2                       1 - sum_i w_i (p_i - y_i)^2 / sum_i w_i (y_i - mean y)^2; where all
///                            targets are equal 1 if all p are they, else 0; NaN of a single row
///
/// They agree with scikit-learn's functions of these names.
#define DESCEND_METRICS(ROW)           \
  ROW(accuracy, classes)               \
  ROW(balanced_accuracy, classes)      \
  ROW(precision, classes)              \
  ROW(recall, classes)                 \
  ROW(f1, classes)                     \
  ROW(roc_auc, classes)                \
  ROW(top_k_accuracy, classes)         \
  ROW(mean_absolute_error, values)     \
  ROW(mean_squared_error, values)      \
  ROW(root_mean_squared_error, values) \
  ROW(r2, values)

enum class MetricKind {
#define DESCEND_ROW(name, of) name,
  DESCEND_METRICS(DESCEND_ROW)
#undef DESCEND_ROW
};

struct Metric {
  Metric(MetricKind metric_kind, std::size_t largest = 1)  // NOLINT: implicit on purpose
      : kind(metric_kind), k(largest) {}

  MetricKind kind;
  std::size_t k;  ///< of top_k_accuracy
};

/// A metric of the caller's own.
struct CustomMetric {
  std::string name;
  /// Given the raw outputs (rows, outputs) of the network's dtype, and the targets of as many rows.
  std::function<double(ConstMatrixView outputs, const Targets& targets)> compute;
};

using AnyMetric = std::variant<Metric, CustomMetric>;

/// Every name, in the order of the enumeration.
std::vector<std::string> metric_names();
/// With the number that k is.
std::string name(const Metric& metric);
/// Throws std::invalid_argument, listing the known names.
Metric parse_metric(const std::string& name);
/// Whether it is of classes decided for, and not of values.
bool is_of_classes(const Metric& metric);
/// The loss whose outputs it is of where nobody says: of classes softmax_cross_entropy, or
/// sigmoid_cross_entropy where there is one output; of values squared_error.
Loss assumed_loss(const Metric& metric, std::size_t outputs);

}  // namespace descend
