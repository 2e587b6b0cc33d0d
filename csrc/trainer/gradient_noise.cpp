#include "descend/gradient_noise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "core/checks.hpp"
#include "core/thread_team.hpp"
#include "descend/trainer.hpp"
#include "engine/gradient_noise.hpp"
#include "network/state.hpp"
#include "trainer/loss_options.hpp"
#include "trainer/shuffle.hpp"
#include "trainer/student.hpp"

namespace descend {

namespace {

using core::invalid;

constexpr const char* kWhere = "gradient_noise";
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Rows of which one may be left out and two are left at least.
constexpr std::size_t kFewestRows = 4;

// The estimate from the sums of some layers, [first, end), and its errors by the jackknife.
NoiseEstimate estimate(const std::vector<engine::NoiseGroup>& groups, std::size_t first,
                       std::size_t end) {
  std::vector<engine::NoiseSums> sums(groups.size());
  engine::NoiseSums all;
  double rows = 0.0;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    rows += static_cast<double>(groups[k].rows);
    for (std::size_t l = first; l < end; ++l) {
      const engine::NoiseSums& layer = groups[k].layers[l];
      sums[k].squares += layer.squares;
      sums[k].with_all += layer.with_all;
      sums[k].with_self += layer.with_self;
    }
    all.squares += sums[k].squares;
    all.with_all += sums[k].with_all;
  }
  const engine::NoiseMoments whole = engine::noise_moments(rows, 1.0, all.squares, all.with_all);
  NoiseEstimate result{whole.variance, whole.squared_norm, kNaN, kNaN, kNaN, 0};
  if (rows < kFewestRows) return result;

  // Pseudo-values of the groups, each with the weight 1 / (h - 1) of Busing et al., h = n / n_k.
  const auto count = static_cast<double>(groups.size());
  std::vector<engine::NoiseMoments> pseudo;
  engine::NoiseMoments mean;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    const double left = rows - static_cast<double>(groups[k].rows);
    const double norm = all.with_all - 2.0 * sums[k].with_all + sums[k].with_self;
    const engine::NoiseMoments rest = engine::noise_moments(
        left, 1.0 - groups[k].weight, all.squares - sums[k].squares, std::max(0.0, norm));
    const double h = rows / static_cast<double>(groups[k].rows);
    pseudo.push_back({h * whole.variance - (h - 1.0) * rest.variance,
                      h * whole.squared_norm - (h - 1.0) * rest.squared_norm});
    mean.variance += pseudo[k].variance / h;
    mean.squared_norm += pseudo[k].squared_norm / h;
  }
  engine::NoiseMoments squares;
  double products = 0.0;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    const double h = rows / static_cast<double>(groups[k].rows);
    const double dv = pseudo[k].variance - mean.variance;
    const double dn = pseudo[k].squared_norm - mean.squared_norm;
    squares.variance += dv * dv / (h - 1.0) / count;
    squares.squared_norm += dn * dn / (h - 1.0) / count;
    products += dv * dn / (h - 1.0) / count;
  }
  if (!std::isfinite(squares.variance) || !std::isfinite(squares.squared_norm)) return result;
  result.variance_error = std::sqrt(squares.variance);
  result.squared_norm_error = std::sqrt(squares.squared_norm);
  result.error_covariance = products;
  result.degrees_of_freedom = static_cast<int>(groups.size()) - 1;
  return result;
}

double quantile(const char* where, double level, int degrees_of_freedom) {
  if (!(level > 0.0 && level < 1.0)) {
    throw invalid(where, ": level must be between 0 and 1, got ", level, ".");
  }
  return trainer::student_quantile(0.5 + level / 2.0, degrees_of_freedom);
}

// Which rows the sample has, in a drawn order: groups of rows that stand together, such as those of
// one class, would differ by more than chance.
std::vector<std::size_t> sample(std::size_t rows, const GradientNoiseOptions& options) {
  std::vector<std::size_t> drawn;
  const std::size_t count = options.order == nullptr ? rows : options.order->size();
  trainer::shuffle(count, 0, 0, drawn);
  if (options.order == nullptr) return drawn;
  trainer::check_order(kWhere, *options.order, rows);
  for (std::size_t& place : drawn) place = (*options.order)[place];
  return drawn;
}

void check_drawn(const char* where, std::size_t batch_size, std::size_t population) {
  if (batch_size == 0) throw invalid(where, ": batch_size must be at least 1, got 0.");
  if (population != 0 && batch_size > population) {
    throw invalid(where, ": batch_size ", batch_size, " is above the population of ", population,
                  " rows from which it is drawn without replacement.");
  }
}

}  // namespace

double NoiseEstimate::noise_scale() const {
  return squared_norm > 0.0 ? variance / squared_norm : kInfinity;
}

double NoiseEstimate::standard_error(std::size_t batch_size, std::size_t population) const {
  check_drawn("gradient_noise: standard_error", batch_size, population);
  const auto rows = static_cast<double>(batch_size);
  const double left_out = population == 0 ? 1.0 : 1.0 - rows / static_cast<double>(population);
  return std::sqrt(variance / rows * left_out);
}

double NoiseEstimate::relative_standard_error(std::size_t batch_size,
                                              std::size_t population) const {
  check_drawn("gradient_noise: relative_standard_error", batch_size, population);
  const double error = standard_error(batch_size, population);
  return squared_norm > 0.0 ? error / std::sqrt(squared_norm) : kInfinity;
}

Interval NoiseEstimate::variance_interval(double level) const {
  const double t = quantile("gradient_noise: variance_interval", level, degrees_of_freedom);
  if (degrees_of_freedom == 0) return {0.0, kInfinity};
  if (variance == 0.0) return {0.0, 0.0};
  const double factor = std::exp(t * variance_error / variance);
  return {variance / factor, variance * factor};
}

Interval NoiseEstimate::squared_norm_interval(double level) const {
  const double t = quantile("gradient_noise: squared_norm_interval", level, degrees_of_freedom);
  if (degrees_of_freedom == 0) return {-kInfinity, kInfinity};
  return {squared_norm - t * squared_norm_error, squared_norm + t * squared_norm_error};
}

// The ratios r at which variance - r squared_norm is within t standard errors of 0:
// a r^2 - 2 b r + c <= 0.
Interval NoiseEstimate::noise_scale_interval(double level) const {
  const double t = quantile("gradient_noise: noise_scale_interval", level, degrees_of_freedom);
  if (degrees_of_freedom == 0) return {0.0, kInfinity};
  const auto squared = [](double x) { return x * x; };
  const double a = squared(squared_norm) - squared(t * squared_norm_error);
  const double b = variance * squared_norm - t * t * error_covariance;
  const double c = squared(variance) - squared(t * variance_error);
  const double root = std::sqrt(std::max(0.0, b * b - a * c));
  // |G|^2 may be 0: all ratios from the positive root of a parabola that opens downwards.
  if (a <= 0.0 || squared_norm <= 0.0) {
    const double low = c > 0.0 ? c / (b + root) : 0.0;
    return {low > 0.0 ? low : 0.0, kInfinity};
  }
  return {std::max(0.0, (b - root) / a), (b + root) / a};
}

GradientNoise gradient_noise(const Network& network, InputView inputs, const Targets& targets,
                             Loss loss, const GradientNoiseOptions& options) {
  core::check_threads(kWhere, options.threads);
  const network::State& state = *network.state_;
  trainer::check_class_weight(kWhere, options.class_weight, loss, network.outputs());
  trainer::check_label_smoothing(kWhere, options.label_smoothing, loss);
  const network::CheckedExamples examples(kWhere, state, inputs, targets, loss,
                                          options.sample_weight, {options.threads, nullptr},
                                          options.class_weight);
  const std::vector<std::size_t> order = sample(examples.rows(), options);
  if (order.size() < 2) {
    throw invalid(kWhere, ": got ", order.size(),
                  " row(s), expected at least 2: one row's gradient shows no variance.");
  }
  const engine::Rows rows{order.data(), 0, order.size()};
  if (engine::weight_sum(examples.weights(), rows) == 0.0) {
    throw invalid(kWhere, ": every row in order has a weight of 0, expected a sum above 0.");
  }

  const std::optional<engine::GroupedNoise> noise =
      network::with_type(state.spec.dtype, [&](auto zero) {
        using T = decltype(zero);
        const std::shared_lock lock(state.mutex);
        return engine::grouped_noise<T>(state.spec, state.layout, state.theta<T>(), examples.view(),
                                        rows, loss, options.label_smoothing, options.threads,
                                        options.interrupted);
      });
  const std::size_t layers = state.layout.layers.size();
  GradientNoise result{};
  result.rows = order.size();
  if (!noise) {
    static_cast<NoiseEstimate&>(result) = {kNaN, kNaN, kNaN, kNaN, kNaN, 0};
    result.loss = kNaN;
    return result;
  }
  static_cast<NoiseEstimate&>(result) = estimate(noise->groups, 0, layers);
  result.loss = noise->loss;
  if (!std::isfinite(result.variance) || !std::isfinite(result.squared_norm) ||
      !std::isfinite(result.loss)) {
    throw NonFiniteLoss(core::text(
        kWhere, ": the loss or the gradient of some rows is not finite in ", name(state.spec.dtype),
        ". Inputs, targets and parameters nearer to 1 may help."));
  }
  for (std::size_t l = 0; l < layers; ++l) {
    result.layers.push_back(estimate(noise->groups, l, l + 1));
  }
  return result;
}

}  // namespace descend
