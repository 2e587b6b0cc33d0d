// Scalar functions of each lane, the same operations in the same order in every instruction set.
// Within 4 units in the last place, NaN where the argument is NaN; results below the smallest
// normal number may be 0. The coefficients come from tools/fit_polynomials.py.
#pragma once

#include <cstddef>

#include "kernels/panels.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

/// Of a polynomial, the constant one first.
template <class T, std::size_t kSize>
struct Coefficients {
  T c[kSize];
};

template <class T>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float kInfinity = __builtin_inff();
  static constexpr float kNaN = __builtin_nanf("");
  static constexpr float kSmallestNormal = 0x1p-126f;

  static constexpr float kLog2E = 1.44269502e+00f;
  static constexpr float kLn2High = 6.93147182e-01f;
  static constexpr float kLn2Low = -1.90465421e-09f;
  static constexpr float kInverseSqrt2Pi = 3.98942292e-01f;

  static constexpr float kExpZero = -104.0f;       // exp is 0 here and below
  static constexpr float kExpInfinity = 89.0f;     // exp is infinite here and above
  static constexpr float kExpm1MinusOne = -18.0f;  // expm1 is -1 here and below
  static constexpr float kGaussianZero = 14.5f;    // exp(-x^2 / 2) is 0 here and above
  static constexpr float kTailFold = 4.0f;
  static constexpr float kTailCentre = 0.375f;

  // expm1, relative error 2^-22.8
  static constexpr Coefficients<float, 5> kExpm1 = {
      {5.00000000e-01f, 1.66665778e-01f, 4.16668542e-02f, 8.36314633e-03f, 1.39012805e-03f}};
  // log, relative error 2^-21.7
  static constexpr Coefficients<float, 3> kLog = {
      {6.66666865e-01f, 3.99887621e-01f, 2.95806140e-01f}};
  // normal_tail, relative error 2^-24.8
  static constexpr Coefficients<float, 10> kNormalTail = {
      {9.34612095e-01f, -1.68067443e+00f, 2.20248103e+00f, -2.00264621e+00f, 1.05158603e+00f,
       -1.33697744e-02f, -3.69461507e-01f, 1.17027551e-01f, 1.21930219e-01f, -6.75691664e-02f}};
};

template <>
struct Constants<double> {
  static constexpr double kInfinity = __builtin_inf();
  static constexpr double kNaN = __builtin_nan("");
  static constexpr double kSmallestNormal = 0x1p-1022;

  static constexpr double kLog2E = 1.4426950408889634e+00;
  static constexpr double kLn2High = 6.9314718055994529e-01;
  static constexpr double kLn2Low = 2.3190468138462996e-17;
  static constexpr double kInverseSqrt2Pi = 3.9894228040143270e-01;

  static constexpr double kExpZero = -746.0;       // exp is 0 here and below
  static constexpr double kExpInfinity = 710.0;    // exp is infinite here and above
  static constexpr double kExpm1MinusOne = -38.0;  // expm1 is -1 here and below
  static constexpr double kGaussianZero = 39.0;    // exp(-x^2 / 2) is 0 here and above
  static constexpr double kTailFold = 4.0;
  static constexpr double kTailCentre = 0.375;

  // expm1, relative error 2^-52.0
  static constexpr Coefficients<double, 10> kExpm1 = {
      {5.0000000000000011e-01, 1.6666666666666644e-01, 4.1666666666624309e-02,
       8.3333333333561934e-03, 1.3888888917137870e-03, 1.9841269784681283e-04,
       2.4801521397032823e-05, 2.7557355495687562e-06, 2.7620046362374589e-07,
       2.5068171529349096e-08}};
  // log, relative error 2^-50.9
  static constexpr Coefficients<double, 7> kLog = {{6.6666666666666696e-01, 3.9999999999899116e-01,
                                                    2.8571428626133716e-01, 2.2222211111334980e-01,
                                                    1.8182890696394480e-01, 1.5331673132864021e-01,
                                                    1.4617010077919360e-01}};
  // normal_tail, relative error 2^-53.5
  static constexpr Coefficients<double, 24> kNormalTail = {
      {9.3461212390681803e-01,  -1.6806743330034237e+00, 2.2024789694201350e+00,
       -2.0026609185905104e+00, 1.0517097193747107e+00,  -1.3002538126907253e-02,
       -3.7207333606578052e-01, 1.1394963526374467e-01,  1.4473245723525710e-01,
       -6.2599396978814698e-02, -7.5719973025889162e-02, 2.3970107986460199e-02,
       4.7465456047750106e-02,  -9.1189925487126372e-04, -2.9246253221177861e-02,
       -1.1279120110964437e-02, 1.3808434603904017e-02,  1.5002724672303923e-02,
       -1.0149062048870434e-03, -1.2941743860447566e-02, -6.6261127024190587e-03,
       9.3087462061877679e-03,  6.0455111552602109e-03,  -5.6280790803640525e-03}};
};

/// c[0] + c[1] x + c[2] x^2 + ...
template <class T, std::size_t kSize>
DESCEND_INLINE Vec<T> polynomial(Vec<T> x, Coefficients<T, kSize> of) {
  Vec<T> value = Vec<T>::broadcast(of.c[kSize - 1]);
  for (std::size_t i = kSize - 1; i > 0; --i) value = fma(value, x, Vec<T>::broadcast(of.c[i - 1]));
  return value;
}

/// x limited to [low, high]; NaN stays NaN.
template <class T>
DESCEND_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {
  return min(Vec<T>::broadcast(high), max(Vec<T>::broadcast(low), x));
}

// ---- exp ---------------------------------------------------------------------------------------

/// x = n ln 2 + r with n whole and |r| <= ln 2 / 2.
template <class T>
struct Reduced {
  Vec<T> n, r;
};
template <class T>
DESCEND_INLINE Reduced<T> reduce(Vec<T> x) {
  using C = Constants<T>;
  const Vec<T> n = round(x * Vec<T>::broadcast(C::kLog2E));
  const Vec<T> r = fma(n, Vec<T>::broadcast(-C::kLn2High), x);
  return {n, fma(n, Vec<T>::broadcast(-C::kLn2Low), r)};
}

/// exp(r) - 1 for |r| <= ln 2 / 2.
template <class T>
DESCEND_INLINE Vec<T> expm1_reduced(Vec<T> r) {
  return fma(r * r, polynomial(r, Constants<T>::kExpm1), r);
}

template <class T>
DESCEND_INLINE Vec<T> exp(Vec<T> x) {
  using C = Constants<T>;
  const Reduced<T> parts = reduce(clamp(x, C::kExpZero, C::kExpInfinity));
  return scale(Vec<T>::broadcast(1) + expm1_reduced(parts.r), parts.n);
}

/// exp(x) - 1.
template <class T>
DESCEND_INLINE Vec<T> expm1(Vec<T> x) {
  using C = Constants<T>;
  const Reduced<T> parts = reduce(clamp(x, C::kExpm1MinusOne, C::kExpInfinity));
  const Vec<T> small = expm1_reduced(parts.r);
  // Half of 2^n small + (2^n - 1), for 2^n itself may overflow. Where n is 0 that is `small`,
  // but its half may underflow.
  const Vec<T> half = Vec<T>::broadcast(T(0.5));
  const Vec<T> half_power = scale(half, parts.n);
  const Vec<T> half_value = fma(small, half_power, half_power - half);
  return select(equal(parts.n, Vec<T>::zero()), small, half_value + half_value);
}

// ---- log ---------------------------------------------------------------------------------------

/// log((1 + f) 2^e) for 1 + f in [sqrt(1/2), sqrt(2)).
template <class T>
DESCEND_INLINE Vec<T> log_reduced(Vec<T> f, Vec<T> e) {
  using C = Constants<T>;
  // With s = f / (2 + f): log(1 + f) = 2 atanh(s) = 2 s + s^3 P(s^2), and 2 s = f - s f.
  const Vec<T> s = f / (Vec<T>::broadcast(2) + f);
  const Vec<T> s2 = s * s;
  const Vec<T> f_less = f - s2 * polynomial(s2, C::kLog);
  const Vec<T> correction = fma(s, f_less, e * Vec<T>::broadcast(-C::kLn2Low));
  return fma(e, Vec<T>::broadcast(C::kLn2High), f - correction);
}

/// `logarithm`, where x is positive and finite; else log(x) from its definition.
template <class T>
DESCEND_INLINE Vec<T> log_at_limits(Vec<T> x, Vec<T> logarithm) {
  using C = Constants<T>;
  const Vec<T> infinity = Vec<T>::broadcast(C::kInfinity);
  const Vec<T> below_infinity = select(less(x, infinity), logarithm, x);
  const auto is_zero = less(x, Vec<T>::broadcast(C::kSmallestNormal));
  const Vec<T> not_negative = select(is_zero, -infinity, below_infinity);
  return select(less(x, Vec<T>::zero()), Vec<T>::broadcast(C::kNaN), not_negative);
}

template <class T>
DESCEND_INLINE Vec<T> log(Vec<T> x) {
  return log_at_limits(x, log_reduced(fraction(x) - Vec<T>::broadcast(1), exponent(x)));
}

/// log(1 + x).
template <class T>
DESCEND_INLINE Vec<T> log1p(Vec<T> x) {
  const Vec<T> one = Vec<T>::broadcast(1);
  const Vec<T> sum = one + x;
  const Vec<T> lost = min(one, x) - (sum - max(one, x));  // 1 + x = sum + lost, exactly
  const Vec<T> e = exponent(sum);
  const Vec<T> f = (fraction(sum) - one) + scale(lost, -e);
  return log_at_limits(sum, log_reduced(f, e));
}

// ---- hyperbolic tangent, logistic function -----------------------------------------------------

template <class T>
DESCEND_INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> size = abs(x);
  const Vec<T> t = expm1(-(size + size));
  const Vec<T> ratio = t / (t + Vec<T>::broadcast(2));
  return select(less(Vec<T>::zero(), x), -ratio, ratio);
}

/// 1 / (1 + exp(-x)).
template <class T>
DESCEND_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> one = Vec<T>::broadcast(1);
  const Vec<T> decay = exp(-abs(x));
  return select(less(x, Vec<T>::zero()), decay, one) / (one + decay);
}

// ---- normal distribution -----------------------------------------------------------------------

/// exp(-x^2 / 2) = (1 + q) 2^n, kept in parts to round products with it once.
template <class T>
struct Gaussian {
  Vec<T> q, n;

  DESCEND_INLINE Vec<T> times(Vec<T> factor) const { return scale(fma(factor, q, factor), n); }
};
template <class T>
DESCEND_INLINE Gaussian<T> gaussian(Vec<T> x) {
  const Vec<T> size = min(Vec<T>::broadcast(Constants<T>::kGaussianZero), abs(x));
  // The square in two parts: far out, exp would blow up its rounding.
  const Vec<T> square = size * size;
  const Vec<T> lost = fma(size, size, -square);
  const Vec<T> minus_half = Vec<T>::broadcast(T(-0.5));
  const Reduced<T> parts = reduce(square * minus_half);
  return {expm1_reduced(fma(lost, minus_half, parts.r)), parts.n};
}

/// The normal distribution function at x, given gaussian(x).
template <class T>
DESCEND_INLINE Vec<T> normal_cdf_given(Vec<T> x, Gaussian<T> gaussian_of_x) {
  using C = Constants<T>;
  // The tail above u is exp(-u^2 / 2) P(t) / (u + fold), t = u / (u + fold) - centre.
  const Vec<T> one = Vec<T>::broadcast(1);
  const Vec<T> u = min(Vec<T>::broadcast(C::kGaussianZero), abs(x));
  const Vec<T> inverse = one / (u + Vec<T>::broadcast(C::kTailFold));
  const Vec<T> t = fma(u, inverse, Vec<T>::broadcast(-C::kTailCentre));
  const Vec<T> tail = gaussian_of_x.times(polynomial(t, C::kNormalTail) * inverse);
  return select(less(x, Vec<T>::zero()), tail, one - tail);
}

template <class T>
DESCEND_INLINE Vec<T> normal_cdf(Vec<T> x) {
  return normal_cdf_given(x, gaussian(x));
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
