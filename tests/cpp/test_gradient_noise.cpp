// The noise of a gradient through the public header, and Student's distribution under it.
#include "descend/gradient_noise.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"
#include "descend/trainer.hpp"
#include "trainer/student.hpp"

namespace ds = descend;

namespace {

bool near(double a, double b, double relative) { return std::abs(a - b) <= relative * std::abs(b); }

// One weight of 0 and a bias of 0: a row's gradient is -y (x, 1).
ds::Network zero_network() {
  ds::NetworkSpec spec;
  spec.inputs = 1;
  spec.layers = {{1}};
  spec.dtype = ds::DType::float64;
  const std::vector<double> zeros(2);
  return ds::Network(spec, ds::ConstVectorView(zeros.data(), 2));
}

ds::GradientNoise measure(const std::vector<double>& x, const std::vector<double>& y,
                          const ds::GradientNoiseOptions& options = {}) {
  return ds::gradient_noise(zero_network(), {x.data(), x.size(), 1},
                            ds::ConstMatrixView(y.data(), y.size(), 1), ds::Loss::squared_error,
                            options);
}

void test_figures_are_those_by_hand() {
  // Gradients (2, 1), (0, 2), (2, 3): mean (4/3, 2).
  const ds::GradientNoise noise = measure({2, 0, 2.0 / 3}, {-1, -2, -3});
  CHECK(noise.rows == 3);
  CHECK(near(noise.loss, (0.5 + 2 + 4.5) / 3, 1e-14));
  const double variance = ((4.0 / 9 + 1) + 16.0 / 9 + (4.0 / 9 + 1)) / 2;
  CHECK(near(noise.variance, variance, 1e-14));
  CHECK(near(noise.squared_norm, 16.0 / 9 + 4 - variance / 3, 1e-14));
  CHECK(near(noise.noise_scale(), noise.variance / noise.squared_norm, 1e-15));
  CHECK(near(noise.standard_error(4), std::sqrt(variance) / 2, 1e-14));
  CHECK(noise.standard_error(3, 3) == 0.0);
  CHECK(noise.layers.size() == 1);
  CHECK(noise.layers[0].variance == noise.variance);
}

void test_order_picks_the_rows() {
  const std::vector<std::size_t> order = {0, 2, 3};
  ds::GradientNoiseOptions options;
  options.order = &order;
  const ds::GradientNoise picked = measure({2, 5, 0, 1}, {-1, 3, -2, 1}, options);
  CHECK(picked.variance == measure({2, 0, 1}, {-1, -2, 1}).variance);
  const std::vector<std::size_t> beyond = {0, 4};
  options.order = &beyond;
  CHECK_THROWS(measure({2, 5, 0, 1}, {-1, 3, -2, 1}, options), std::invalid_argument, "4");
}

void test_class_weights_and_smoothed_labels_are_those_of_the_targets() {
  // One weight of 0: the sigmoid is 1/2, and a row's gradient w (1/2 - y) (x, 1).
  const std::vector<double> x = {2, 5, 1}, y = {0, 1, 1}, smooth = {0.1, 0.9, 0.9};
  const std::vector<double> weights = {3, 1, 1};
  const auto measure_targets = [&](const std::vector<double>& targets,
                                   const ds::GradientNoiseOptions& options) {
    return ds::gradient_noise(zero_network(), {x.data(), 3, 1},
                              ds::ConstMatrixView(targets.data(), 3, 1),
                              ds::Loss::sigmoid_cross_entropy, options);
  };
  ds::GradientNoiseOptions by_class, by_row;
  by_class.class_weight.weights = {3, 1};
  by_class.label_smoothing = 0.2;
  by_row.sample_weight = ds::ConstVectorView(weights.data(), 3);
  const ds::GradientNoise noise = measure_targets(y, by_class);
  CHECK(near(noise.variance, measure_targets(smooth, by_row).variance, 1e-14));
  CHECK(!near(noise.variance, measure_targets(y, by_row).variance, 1e-2));
  CHECK(!near(noise.variance, measure_targets(smooth, {}).variance, 1e-2));
  by_class.class_weight.weights = {1};
  CHECK_THROWS(measure_targets(y, by_class), std::invalid_argument,
               "gradient_noise: class_weight has 1 weights, but there are 2 classes");
}

void test_what_cannot_be_measured_throws() {
  CHECK_THROWS(measure({1}, {1}), std::invalid_argument, "at least 2");
  CHECK_THROWS(measure({1e300, 1}, {1e300, 1}), ds::NonFiniteLoss, "not finite in float64");
  const ds::GradientNoise noise = measure({1, 2, 3, 4, 5}, {1, 2, 1, 2, 1});
  CHECK_THROWS(noise.standard_error(0), std::invalid_argument, "batch_size");
  CHECK_THROWS(noise.standard_error(6, 5), std::invalid_argument, "population");
  CHECK_THROWS(noise.noise_scale_interval(1.0), std::invalid_argument, "level");
}

void test_it_can_be_interrupted() {
  const std::size_t rows = 200000, width = 64;
  const std::vector<float> x(rows * width, 1.0F), y(rows, 2.0F);
  ds::NetworkSpec spec;
  spec.inputs = width;
  spec.layers = {{512, ds::Activation::relu}, {1}};
  ds::GradientNoiseOptions options;
  options.threads = 1;
  options.interrupted = [] { return true; };
  const ds::GradientNoise noise =
      ds::gradient_noise(ds::Network(spec), {x.data(), rows, width},
                         ds::ConstMatrixView(y.data(), rows, 1), ds::Loss::squared_error, options);
  CHECK(std::isnan(noise.variance));
  CHECK(std::isnan(noise.squared_norm));
  CHECK(std::isnan(noise.loss));
}

void test_student_quantiles_are_those_of_the_tables() {
  const struct {
    double probability;
    int degrees_of_freedom;
    double t;
  } rows[] = {{0.975, 1, 12.706204736174694}, {0.975, 2, 4.302652729749462},
              {0.95, 3, 2.3533634348018233},  {0.995, 4, 4.604094871349992},
              {0.75, 7, 0.7111417780817866},  {0.975, 15, 2.131449545559776},
              {0.6, 1, 0.32491969623290634},  {0.9995, 6, 5.95881617881889}};
  for (const auto& row : rows) {
    CHECK(
        near(ds::trainer::student_quantile(row.probability, row.degrees_of_freedom), row.t, 1e-12));
  }
  CHECK(std::isinf(ds::trainer::student_quantile(0.9, 0)));
}

}  // namespace

int main() {
  test_figures_are_those_by_hand();
  test_order_picks_the_rows();
  test_class_weights_and_smoothed_labels_are_those_of_the_targets();
  test_what_cannot_be_measured_throws();
  test_it_can_be_interrupted();
  test_student_quantiles_are_those_of_the_tables();
  return check_result();
}
