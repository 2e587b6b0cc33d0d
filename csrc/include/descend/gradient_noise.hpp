// How much the gradient of a minibatch differs from the gradient of all rows.
//   g_i = w_i / mean(w) dL_i / d theta  of row i, whose mean over the rows is the gradient G of J
//   with the weights w of the rows, those of their classes included
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "descend/class_weight.hpp"
#include "descend/input_view.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"
#include "descend/network.hpp"

namespace descend {

struct Interval {
  double low;
  double high;
};

/// Estimates from some rows, taken as a sample of all that there could be.
///
/// The intervals come from a jackknife that leaves out one group of rows at a time, whose errors
/// have Student's distribution (Tukey 1958; Busing, Meijer & van der Leeden 1999 for groups of
/// different sizes). `level` is the confidence, between 0 and 1.
struct NoiseEstimate {
  double variance;      ///< tr Sigma: the total variance of one row's gradient, unbiased, >= 0
  double squared_norm;  ///< |G|^2, unbiased: from few rows it may come out negative

  double variance_error;      ///< standard error of `variance`
  double squared_norm_error;  ///< standard error of `squared_norm`
  double error_covariance;    ///< of the two
  int degrees_of_freedom;     ///< of these errors; 0: too few rows to tell

  /// tr Sigma / |G|^2, the simple noise scale of McCandlish, Kaplan & Amodei (2018),
  /// arXiv:1812.06162: the batch size at which the noise of the gradient is as large as the
  /// gradient. Infinite where squared_norm is not above 0: the rows do not show a gradient.
  double noise_scale() const;

  /// sqrt(tr Sigma / batch_size): the root of the mean of |G_B - G|^2 over minibatches of
  /// `batch_size` rows. Where they are drawn without replacement from `population` rows, times
  /// sqrt(1 - batch_size / population) (Cochran 1977, theorem 2.2); 0: with replacement. With
  /// weights it counts a minibatch's gradient as the mean of its g_i; a training step divides
  /// by the minibatch's own sum of weights, which differs by a part of 1 / noise_scale. Throws
  /// std::invalid_argument where batch_size is 0 or above a population.
  double standard_error(std::size_t batch_size, std::size_t population = 0) const;

  /// That over |G|: infinite where squared_norm is not above 0.
  double relative_standard_error(std::size_t batch_size, std::size_t population = 0) const;

  Interval variance_interval(double level = 0.95) const;      ///< on a logarithmic scale
  Interval squared_norm_interval(double level = 0.95) const;  ///< may begin below 0
  /// By Fieller's theorem (1954). It has no upper end where |G|^2 may be 0.
  Interval noise_scale_interval(double level = 0.95) const;
};

/// Of all parameters; `layers` has the same of each layer's weights and bias alone.
struct GradientNoise : NoiseEstimate {
  std::size_t rows;  ///< in the sample
  double loss;       ///< J over them
  std::vector<NoiseEstimate> layers;
};

struct GradientNoiseOptions {
  ConstVectorView sample_weight{};                  ///< empty or (rows), finite, >= 0
  const std::vector<std::size_t>* order = nullptr;  ///< the sample's rows; null: all
  int threads = 0;                                  ///< 0: as many as the work is worth
  std::function<bool()> interrupted{};              ///< asked every few milliseconds
  ClassWeight class_weight{};                       ///< as in TrainerOptions
  double label_smoothing = 0.0;                     ///< as in TrainerOptions
};

/// Measures the noise of J's gradient at the network's parameters: dropout is off, and a penalty
/// has none. It takes 1.1 to 1.3 times as long as loss_and_gradient: each row's |g_i|^2 comes from
/// backpropagation itself, as a sum over layers of |d_z_i|^2 (|x_i|^2 + 1) with the layer's inputs
/// x (Goodfellow 2015, arXiv:1510.01799), and no row's gradient is formed. Holds the gradients of
/// 8 to 16 groups of rows, of fewer, but 4, where they would take more than 256 MiB.
///
/// Throws std::invalid_argument where the data do not fit, or fewer than two rows are given, and
/// NonFiniteLoss where a loss or gradient is not finite. Every figure is NaN where `interrupted`
/// says true.
GradientNoise gradient_noise(const Network& network, InputView inputs, const Targets& targets,
                             Loss loss, const GradientNoiseOptions& options = {});

}  // namespace descend
