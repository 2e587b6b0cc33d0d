// Metrics of the values that a network predicts.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "engine/metric_rows.hpp"

namespace descend::engine::metrics {

namespace {

using kernels::Function;

// Sums over the rows.
struct Values {
  std::vector<double> sums;  // one an output
  double weight = 0.0;
  std::size_t rows = 0;
};

// term(p, y, output) weighted and summed over the rows, p the mean that the network predicts.
template <class Term>
Values summed(const Measured& measured, const Term& term) {
  const std::size_t outputs = measured.outputs.columns();
  std::vector<double> p(outputs);
  Values values{std::vector<double>(outputs), 0.0, 0};
  for_each_row(measured, [&](const Row& row) {
    std::copy_n(row.f, outputs, p.begin());
    if (measured.loss == Loss::poisson) evaluate(Function::exp, outputs, p.data());
    if (measured.loss == Loss::sigmoid_cross_entropy) {
      evaluate(Function::sigmoid, outputs, p.data());
    }
    if (measured.loss == Loss::softmax_cross_entropy) {
      const double largest = *std::max_element(p.begin(), p.end());
      for (double& value : p) value -= largest;
      evaluate(Function::exp, outputs, p.data());
      double sum = 0.0;
      for (const double value : p) sum += value;
      for (double& value : p) value /= sum;
    }
    for (std::size_t j = 0; j < outputs; ++j) {
      const double target =
          row.y == nullptr ? (row.label == static_cast<std::int64_t>(j) ? 1.0 : 0.0) : row.y[j];
      values.sums[j] += row.weight * term(p[j], target, j);
    }
    values.weight += row.weight;
    ++values.rows;
    return true;
  });
  return values;
}

std::vector<double> mean_squares(const Measured& measured) {
  Values values =
      summed(measured, [](double p, double y, std::size_t) { return (p - y) * (p - y); });
  for (double& sum : values.sums) sum /= values.weight;
  return values.sums;
}

}  // namespace

double mean_absolute_error(const Measured& measured, std::size_t) {
  Values values = summed(measured, [](double p, double y, std::size_t) { return std::abs(p - y); });
  return mean(values.sums) / values.weight;
}

double mean_squared_error(const Measured& measured, std::size_t) {
  return mean(mean_squares(measured));
}

double root_mean_squared_error(const Measured& measured, std::size_t) {
  std::vector<double> errors = mean_squares(measured);
  for (double& error : errors) error = std::sqrt(error);
  return mean(errors);
}

double r2(const Measured& measured, std::size_t) {
  // Beside the first row's targets: then the mean of equal ones is exact.
  std::vector<double> first;
  Values means = summed(measured, [&](double, double y, std::size_t j) {
    if (j == first.size()) first.push_back(y);
    return y - first[j];
  });
  if (means.rows < 2) return kUndefined;
  for (double& sum : means.sums) sum /= means.weight;
  const Values spread = summed(measured, [&](double, double y, std::size_t j) {
    const double difference = (y - first[j]) - means.sums[j];
    return difference * difference;
  });
  const Values errors =
      summed(measured, [](double p, double y, std::size_t) { return (p - y) * (p - y); });
  std::vector<double> scores;
  for (std::size_t j = 0; j < spread.sums.size(); ++j) {
    if (spread.sums[j] > 0.0) {
      scores.push_back(1.0 - errors.sums[j] / spread.sums[j]);
    } else {
      scores.push_back(errors.sums[j] == 0.0 ? 1.0 : 0.0);
    }
  }
  return mean(scores);
}

}  // namespace descend::engine::metrics
