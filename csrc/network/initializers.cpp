#include "network/initializers.hpp"

#include <algorithm>
#include <cmath>

#include "core/checks.hpp"
#include "core/philox.hpp"
#include "kernels/dispatch.hpp"

namespace descend::network {

namespace {

/// N(0, spread^2), or U(-spread, spread).
struct Distribution {
  bool is_normal;
  double spread;
};

Distribution normal(double deviation) { return {true, deviation}; }
Distribution uniform(double limit) { return {false, limit}; }

Distribution distribution_of(Initializer init, double inputs, double units) {
  switch (init) {
    case Initializer::standard_normal: return normal(1.0);
    case Initializer::glorot_uniform: return uniform(std::sqrt(6.0 / (inputs + units)));
    case Initializer::glorot_normal: return normal(std::sqrt(2.0 / (inputs + units)));
    case Initializer::he_normal: return normal(std::sqrt(2.0 / inputs));
    case Initializer::he_uniform: return uniform(std::sqrt(6.0 / inputs));
    case Initializer::lecun_normal: return normal(std::sqrt(1.0 / inputs));
  }
  throw core::invalid("Network: unknown initializer number ", static_cast<int>(init), ".");
}

/// Uniform in [-1, 1), in steps of 2^-52.
double symmetric_uniform(core::PhiloxStream& stream) {
  return 2.0 * (static_cast<double>(stream.next64() >> 11) * 0x1p-53) - 1.0;
}

/// Marsaglia's polar method: a point of the unit disc becomes two normals. The logarithm is the
/// kernels', since the C library's bits differ between machines.
void draw_normals(core::PhiloxStream& stream, double deviation, std::size_t count, double* out) {
  constexpr std::size_t kPoints = 64;
  double points[2 * kPoints], squares[kPoints], logarithms[kPoints];
  const auto log =
      kernels::kernel_table().float64.evaluate[static_cast<int>(kernels::Function::log)];
  while (count > 0) {
    const std::size_t normals = std::min(count, 2 * kPoints);
    const std::size_t pairs = (normals + 1) / 2;
    for (std::size_t i = 0; i < pairs; ++i) {
      do {
        points[2 * i] = symmetric_uniform(stream);
        points[2 * i + 1] = symmetric_uniform(stream);
        squares[i] = points[2 * i] * points[2 * i] + points[2 * i + 1] * points[2 * i + 1];
      } while (squares[i] >= 1.0 || squares[i] == 0.0);
    }
    log(pairs, squares, logarithms);
    for (std::size_t i = 0; i < normals; ++i) {
      const double factor = std::sqrt(-2.0 * logarithms[i / 2] / squares[i / 2]);
      out[i] = points[i] * factor * deviation;
    }
    out += normals;
    count -= normals;
  }
}

}  // namespace

void draw_weights(Initializer init, std::size_t inputs, std::size_t units, std::uint64_t seed,
                  std::size_t layer, double* weights) {
  const Distribution distribution =
      distribution_of(init, static_cast<double>(inputs), static_cast<double>(units));
  core::PhiloxStream stream(seed, static_cast<std::uint32_t>(layer), core::kWeightStream);
  const std::size_t count = inputs * units;
  if (distribution.is_normal) {
    draw_normals(stream, distribution.spread, count, weights);
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      weights[i] = symmetric_uniform(stream) * distribution.spread;
    }
  }
}

}  // namespace descend::network
