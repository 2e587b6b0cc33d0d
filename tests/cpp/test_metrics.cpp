// Metrics: their names, and those of a few rows known by hand.
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"

namespace ds = descend;

namespace {

void test_names_are_read_as_they_are_written() {
  for (const std::string& name : ds::metric_names()) {
    if (name == "top_k_accuracy") continue;
    CHECK(ds::name(ds::parse_metric(name)) == name);
  }
  const ds::Metric top = ds::parse_metric("top_12_accuracy");
  CHECK(top.kind == ds::MetricKind::top_k_accuracy);
  CHECK(top.k == 12);
  CHECK(ds::name(top) == "top_12_accuracy");
  CHECK_THROWS(ds::parse_metric("top_k_accuracy"), std::invalid_argument, "top_3_accuracy");
  CHECK_THROWS(ds::parse_metric("top_-1_accuracy"), std::invalid_argument, "unknown metric");
  CHECK_THROWS(ds::parse_metric("top_accuracy"), std::invalid_argument, "unknown metric");
}

void test_classes() {
  const std::vector<float> outputs = {3, 2, 1, 0, 5, 4, 1, 0, 2};  // decided for 0, 1, 2
  const std::vector<std::uint8_t> labels = {0, 2, 2};
  const ds::ConstMatrixView f(outputs.data(), 3, 3);
  const ds::LabelView y(labels.data(), 3);
  const ds::Loss loss = ds::Loss::softmax_cross_entropy;
  const auto metric = [&](const ds::Metric& which, ds::ConstVectorView weights = {}) {
    return ds::ops::metric(which, loss, f, y, weights);
  };
  CHECK(metric(ds::MetricKind::accuracy) == 2.0 / 3.0);
  CHECK(metric({ds::MetricKind::top_k_accuracy, 2}) == 1.0);
  CHECK(metric(ds::MetricKind::balanced_accuracy) == 0.75);
  const std::vector<double> weights = {0.0, 3.0, 1.0};
  CHECK(metric(ds::MetricKind::accuracy, {weights.data(), 3}) == 0.25);
  CHECK_THROWS(metric({ds::MetricKind::top_k_accuracy, 4}), std::invalid_argument, "4 of 3");
}

void test_values() {
  const std::vector<double> outputs = {0.0, std::log(3.0)};
  const std::vector<double> targets = {2.0, 3.0};
  const ds::ConstMatrixView f(outputs.data(), 2, 1), y(targets.data(), 2, 1);
  const auto error = [&](ds::Loss loss) {
    return ds::ops::metric(ds::MetricKind::mean_absolute_error, loss, f, y);
  };
  CHECK(std::abs(error(ds::Loss::poisson) - 0.5) < 1e-15);
  CHECK(std::abs(error(ds::Loss::huber) - (2.5 - std::log(3.0) / 2)) < 1e-15);
  CHECK_THROWS(ds::ops::metric(ds::MetricKind::f1, ds::Loss::huber, f, y), std::invalid_argument,
               "huber predicts values");
}

}  // namespace

int main() {
  test_names_are_read_as_they_are_written();
  test_classes();
  test_values();
  return check_result();
}
