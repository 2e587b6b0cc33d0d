// The sums over rows from which the noise of their gradients is computed.
//   v_i = w_i / W dL_i / d theta,  W = sum_i w_i:  what row i adds to the gradient of J
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "descend/loss.hpp"
#include "descend/network.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"

namespace descend::engine {

/// Of the rows of a group, with one layer's part of v.
struct NoiseSums {
  double squares = 0.0;    ///< sum_i |v_i|^2
  double with_all = 0.0;   ///< (sum_i v_i) . (the same over all groups)
  double with_self = 0.0;  ///< |sum_i v_i|^2
};

struct NoiseGroup {
  std::size_t rows;
  double weight;                  ///< the rows' part of W
  std::vector<NoiseSums> layers;  ///< one a layer
};

struct GroupedNoise {
  double loss = 0.0;  ///< J
  std::vector<NoiseGroup> groups;
};

struct NoiseMoments {
  double variance = 0.0;      ///< tr Sigma of one row's gradient, n v_i of n rows
  double squared_norm = 0.0;  ///< |G|^2
};

/// The unbiased figures of `rows` rows, at least 2: `squares` is sum_i |v_i|^2 and `norm`
/// |sum_i v_i|^2, where the rows have the part `weight` of W.
NoiseMoments noise_moments(double rows, double weight, double squares, double norm);

/// Takes `rows` of `examples`, not all of weight 0, through the network and back, in groups of
/// adjacent ones: one for 64 rows, 8 at least and 16 at most, or fewer where there are not as many
/// rows, or where the groups' gradients, which are all held, would take more than 256 MiB; 4 then.
/// Empty where `interrupted`, asked every few milliseconds, says yes. The same bits for any number
/// of threads.
template <class T>
std::optional<GroupedNoise> grouped_noise(const NetworkSpec& spec, const ParameterLayout& layout,
                                          const T* theta, const Examples& examples,
                                          const Rows& rows, Loss loss, double label_smoothing,
                                          int threads, const std::function<bool()>& interrupted);

}  // namespace descend::engine
