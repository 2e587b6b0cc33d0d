// The kernels' scalar functions over the whole range of their arguments, against a wider type:
// within 4 units in the last place, exact at the edges, and the same bits on every instruction set.
//   float32: every 509th bit pattern, of all exponents and both signs, against double
//   float64: as many patterns as are quick, against long double where that is wider
// Subnormal arguments count as zero, and results below the smallest normal number may be zero.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.hpp"
#include "core/float_environment.hpp"
#include "kernels/dispatch.hpp"

namespace {

using descend::kernels::Function;
using descend::kernels::kernels_of;
using descend::kernels::KernelTable;

constexpr double kMostUlps = 4.0;

template <class T>
struct Sample;
template <>
struct Sample<float> {
  using Bits = std::uint32_t;
  using Wide = double;
  static constexpr Bits kStride = 509;
};
template <>
struct Sample<double> {
  using Bits = std::uint64_t;
  using Wide = long double;
  static constexpr Bits kStride = (std::uint64_t{1} << 46) + 17;
};

template <class T>
using Wide = typename Sample<T>::Wide;

template <class T>
std::vector<T> arguments() {
  using Bits = typename Sample<T>::Bits;
  std::vector<T> x;
  Bits bits = 0;
  do {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    x.push_back(value);
    bits = static_cast<Bits>(bits + Sample<T>::kStride);
  } while (bits >= Sample<T>::kStride);
  // Densely where most arguments are.
  constexpr int kDense = 200000;
  for (int i = -kDense; i <= kDense; ++i) x.push_back(static_cast<T>(i) / T{2000});
  return x;
}

template <class W>
W sigmoid(W x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
template <class W>
W normal_cdf(W x) {
  // 1 / sqrt(2)
  return std::erfc(-x * W(0.707106781186547524400844362104849039L)) / 2;
}

template <class W>
W defined(Function function, W x) {
  switch (function) {
    case Function::exp: return std::exp(x);
    case Function::expm1: return std::expm1(x);
    case Function::log: return std::log(x);
    case Function::log1p: return std::log1p(x);
    case Function::tanh: return std::tanh(x);
    case Function::sigmoid: return sigmoid(x);
    case Function::normal_cdf: return normal_cdf(x);
  }
  return std::numeric_limits<W>::quiet_NaN();
}

#define DESCEND_ROW(name) #name,
constexpr const char* kNames[] = {DESCEND_FUNCTIONS(DESCEND_ROW)};
#undef DESCEND_ROW

template <class T>
std::vector<T> evaluated(const KernelTable& table, Function function, const std::vector<T>& x) {
  const descend::core::FlushToZero flush;
  std::vector<T> y(x.size());
  kernels_of<T>(table).evaluate[static_cast<int>(function)](x.size(), x.data(), y.data());
  return y;
}

/// Units in the last place between `actual` and `expected`; one beyond the largest is infinity.
template <class T>
double ulps_between(T actual, Wide<T> expected) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(expected)) return std::isnan(actual) ? 0 : 1e9;
  const Wide<T> smallest = Limits::min(), largest = Limits::max();
  if (std::abs(expected) <= smallest && std::abs(actual) <= Limits::min()) return 0;
  const Wide<T> above = 2 * std::ldexp(Wide<T>(1), Limits::max_exponent - 1);
  const auto bounded = [&](Wide<T> x) { return x > above ? above : x < -above ? -above : x; };
  int exponent = 0;
  const Wide<T> size = std::abs(bounded(expected));
  std::frexp(size > largest ? largest : size < smallest ? smallest : size, &exponent);
  const Wide<T> ulp = std::ldexp(Wide<T>(1), exponent - Limits::digits);
  return static_cast<double>(std::abs(bounded(static_cast<Wide<T>>(actual)) - bounded(expected)) /
                             ulp);
}

template <class T>
void test_within_four_ulps_over_the_whole_range(Function function) {
  const std::vector<T> x = arguments<T>();
  const std::vector<const KernelTable*> tables = descend::kernels::available_tables();
  const std::vector<T> y = evaluated(*tables.front(), function, x);
  double worst = 0;
  std::size_t place = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool is_zero = std::abs(x[i]) < std::numeric_limits<T>::min();
    const Wide<T> argument = is_zero ? std::copysign(Wide<T>(0), Wide<T>(x[i])) : x[i];
    const double ulps = ulps_between<T>(y[i], defined<Wide<T>>(function, argument));
    if (!(ulps <= worst)) {
      worst = ulps;
      place = i;
    }
  }
  // long double may be no wider than double, and off by one itself.
  const bool is_wider = std::numeric_limits<Wide<T>>::digits > std::numeric_limits<T>::digits;
  if (!(worst <= kMostUlps + (is_wider ? 0 : 1))) {
    fail_check(__FILE__, __LINE__,
               std::string(kNames[static_cast<int>(function)]) + "(" + std::to_string(x[place]) +
                   ") is " + std::to_string(y[place]) + ", off by " + std::to_string(worst) +
                   " ulp");
  }
  std::printf("%-10s float%zu: at most %.2f ulp, at %.9g\n", kNames[static_cast<int>(function)],
              8 * sizeof(T), worst, static_cast<double>(x[place]));
  for (const KernelTable* table : tables) {
    const std::vector<T> other = evaluated(*table, function, x);
    CHECK(std::memcmp(other.data(), y.data(), y.size() * sizeof(T)) == 0);
  }
}

template <class T>
void test_edges_are_exact() {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();
  struct Edge {
    Function function;
    T x, y;
  };
  const Edge edges[] = {
      {Function::exp, 0, 1},
      {Function::exp, kInfinity, kInfinity},
      {Function::exp, -kInfinity, 0},
      {Function::expm1, 0, 0},
      {Function::expm1, kInfinity, kInfinity},
      {Function::expm1, -kInfinity, -1},
      {Function::log, 1, 0},
      {Function::log, 0, -kInfinity},
      {Function::log, kInfinity, kInfinity},
      {Function::log, -1, kNaN},
      {Function::log, -kInfinity, kNaN},
      {Function::log1p, 0, 0},
      {Function::log1p, -1, -kInfinity},
      {Function::log1p, kInfinity, kInfinity},
      {Function::log1p, -2, kNaN},
      {Function::tanh, 0, 0},
      {Function::tanh, kInfinity, 1},
      {Function::tanh, -kInfinity, -1},
      {Function::sigmoid, 0, T(0.5)},
      {Function::sigmoid, kInfinity, 1},
      {Function::sigmoid, -kInfinity, 0},
      {Function::normal_cdf, 0, T(0.5)},
      {Function::normal_cdf, kInfinity, 1},
      {Function::normal_cdf, -kInfinity, 0},
  };
  for (const KernelTable* table : descend::kernels::available_tables()) {
    for (const Edge& edge : edges) {
      const T y = evaluated<T>(*table, edge.function, {edge.x}).front();
      CHECK(std::isnan(edge.y) ? std::isnan(y) : y == edge.y);
    }
    for (int function = 0; function < descend::kernels::kFunctionCount; ++function) {
      CHECK(std::isnan(evaluated<T>(*table, static_cast<Function>(function), {kNaN}).front()));
    }
  }
}

}  // namespace

int main() {
  for (int function = 0; function < descend::kernels::kFunctionCount; ++function) {
    test_within_four_ulps_over_the_whole_range<float>(static_cast<Function>(function));
    test_within_four_ulps_over_the_whole_range<double>(static_cast<Function>(function));
  }
  test_edges_are_exact<float>();
  test_edges_are_exact<double>();
  return check_result();
}
