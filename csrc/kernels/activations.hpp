// Activations a = f(z) and their derivatives f'(z), one struct for each row of activation.hpp.
// derivative() takes z or a, as the row says.
#pragma once

#include "kernels/math.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {
namespace activations {

template <class T>
struct identity {
  static DESCEND_INLINE Vec<T> value(Vec<T> z) { return z; }
  static DESCEND_INLINE Vec<T> derivative(Vec<T>) { return Vec<T>::broadcast(1); }
};

template <class T>
struct relu {
  // In this order max keeps a NaN.
  static DESCEND_INLINE Vec<T> value(Vec<T> z) { return max(Vec<T>::zero(), z); }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> a) {
    return select(less(Vec<T>::zero(), a), Vec<T>::broadcast(1), Vec<T>::zero());
  }
};

template <class T>
struct leaky_relu {
  static DESCEND_INLINE Vec<T> value(Vec<T> z) {
    return select(less(Vec<T>::zero(), z), z, z * Vec<T>::broadcast(T(0.01)));
  }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> a) {
    return select(less(Vec<T>::zero(), a), Vec<T>::broadcast(1), Vec<T>::broadcast(T(0.01)));
  }
};

template <class T>
struct tanh {
  static DESCEND_INLINE Vec<T> value(Vec<T> z) { return DESCEND_ISA_NAMESPACE::tanh(z); }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> a) { return fma(-a, a, Vec<T>::broadcast(1)); }
};

template <class T>
struct sigmoid {
  static DESCEND_INLINE Vec<T> value(Vec<T> z) { return DESCEND_ISA_NAMESPACE::sigmoid(z); }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> a) { return a * (Vec<T>::broadcast(1) - a); }
};

template <class T>
struct softplus {
  // log(1 + exp(z)) as it stands overflows for large z and vanishes for small z.
  static DESCEND_INLINE Vec<T> value(Vec<T> z) {
    return max(Vec<T>::zero(), z) + log1p(exp(-abs(z)));
  }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> a) { return -expm1(-a); }
};

template <class T>
struct elu {
  static DESCEND_INLINE Vec<T> value(Vec<T> z) {
    return select(less(Vec<T>::zero(), z), z, expm1(z));
  }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> a) {
    const Vec<T> one = Vec<T>::broadcast(1);
    return select(less(Vec<T>::zero(), a), one, a + one);
  }
};

template <class T>
struct gelu {
  static DESCEND_INLINE Vec<T> value(Vec<T> z) { return z * normal_cdf(z); }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> z) {
    const Gaussian<T> gaussian_of_z = gaussian(z);
    const Vec<T> density = gaussian_of_z.times(Vec<T>::broadcast(Constants<T>::kInverseSqrt2Pi));
    return fma(z, density, normal_cdf_given(z, gaussian_of_z));
  }
};

template <class T>
struct silu {
  static DESCEND_INLINE Vec<T> value(Vec<T> z) { return z * DESCEND_ISA_NAMESPACE::sigmoid(z); }
  static DESCEND_INLINE Vec<T> derivative(Vec<T> z) {
    // s + z s (1 - s), without the rounding of 1 - s that a large z would blow up.
    const Vec<T> one = Vec<T>::broadcast(1);
    const Vec<T> decay = exp(-abs(z));
    const Vec<T> inverse = one / (one + decay);
    const Vec<T> s = select(less(z, Vec<T>::zero()), decay, one) * inverse;
    return fma(z, decay * inverse * inverse, s);
  }
};

}  // namespace activations
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
