// Initial weights: their definition draw by draw, and the moments of each row.
#include "network/initializers.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "check.hpp"
#include "core/philox.hpp"

namespace core = descend::core;
using descend::Initializer;

namespace {

constexpr std::uint64_t kSeed = 0x123456789abcdef0;
constexpr std::size_t kLayer = 3;

std::vector<double> drawn(Initializer init, std::size_t inputs, std::size_t units,
                          std::uint64_t seed = kSeed, std::size_t layer = kLayer) {
  std::vector<double> weights(inputs * units);
  descend::network::draw_weights(init, inputs, units, seed, layer, weights.data());
  return weights;
}

double next_uniform(core::PhiloxStream& stream) {
  return static_cast<double>(stream.next64() >> 11) * 0x1p-53;
}

void test_uniform_weights_are_the_defined_ones() {
  core::PhiloxStream stream(kSeed, kLayer, core::kWeightStream);
  const double limit = std::sqrt(6.0 / (30.0 + 7.0));
  for (const double weight : drawn(Initializer::glorot_uniform, 30, 7)) {
    CHECK(weight == (2.0 * next_uniform(stream) - 1.0) * limit);
  }
}

// One weight after the other, with the C library's logarithm. Odd and even counts, and more than
// one of the batches that the logarithm is taken in.
void test_normal_weights_are_the_defined_ones() {
  for (const std::size_t units : {1, 2, 127, 128, 129, 1001}) {
    core::PhiloxStream stream(kSeed, kLayer, core::kWeightStream);
    double second = 0.0;
    bool has_second = false;
    for (const double weight : drawn(Initializer::standard_normal, 1, units)) {
      double expected = second;
      if (!has_second) {
        double v1, v2, s;
        do {
          v1 = 2.0 * next_uniform(stream) - 1.0;
          v2 = 2.0 * next_uniform(stream) - 1.0;
          s = v1 * v1 + v2 * v2;
        } while (s >= 1.0 || s == 0.0);
        const double factor = std::sqrt(-2.0 * std::log(s) / s);
        expected = v1 * factor;
        second = v2 * factor;
      }
      has_second = !has_second;
      CHECK(std::abs(weight - expected) <= 1e-14 * std::abs(expected));
    }
  }
}

void test_each_row_has_its_moments() {
  constexpr std::size_t kInputs = 300, kUnits = 100;
  const std::pair<Initializer, double> variances[] = {
      {Initializer::standard_normal, 1.0},       {Initializer::glorot_uniform, 2.0 / 400.0},
      {Initializer::glorot_normal, 2.0 / 400.0}, {Initializer::he_normal, 2.0 / 300.0},
      {Initializer::he_uniform, 2.0 / 300.0},    {Initializer::lecun_normal, 1.0 / 300.0}};
  CHECK(std::size(variances) == descend::initializer_names().size());
  constexpr double kCount = kInputs * kUnits;
  for (const auto& [init, variance] : variances) {
    double sum = 0.0, squares = 0.0;
    for (const double weight : drawn(init, kInputs, kUnits)) {
      sum += weight;
      squares += weight * weight;
    }
    CHECK(std::abs(sum / kCount) < 5.0 * std::sqrt(variance / kCount));
    CHECK(std::abs(squares / kCount / variance - 1.0) < 5.0 * std::sqrt(2.0 / kCount));
  }
}

void test_seed_and_layer_decide_the_weights() {
  const std::vector<double> weights = drawn(Initializer::he_normal, 5, 5);
  CHECK(weights == drawn(Initializer::he_normal, 5, 5));
  CHECK(weights != drawn(Initializer::he_normal, 5, 5, kSeed + 1));
  CHECK(weights != drawn(Initializer::he_normal, 5, 5, kSeed, kLayer + 1));
}

}  // namespace

int main() {
  test_uniform_weights_are_the_defined_ones();
  test_normal_weights_are_the_defined_ones();
  test_each_row_has_its_moments();
  test_seed_and_layer_decide_the_weights();
  return check_result();
}
