// Vec<T>: 64 bytes of floats or doubles, here four 128-bit registers.
// The operations are described in simd_avx512.hpp.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "kernels/panels.hpp"

#define DESCEND_INLINE inline __attribute__((always_inline))

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

// ---- one register ------------------------------------------------------------------------------

template <class T>
struct Register;

template <>
struct Register<float> {
  using Type = float32x4_t;
  using Lanes = uint32x4_t;
};
template <>
struct Register<double> {
  using Type = float64x2_t;
  using Lanes = uint64x2_t;
};

DESCEND_INLINE float32x4_t load(const float* p) { return vld1q_f32(p); }
DESCEND_INLINE float64x2_t load(const double* p) { return vld1q_f64(p); }
DESCEND_INLINE void store(float* p, float32x4_t a) { vst1q_f32(p, a); }
DESCEND_INLINE void store(double* p, float64x2_t a) { vst1q_f64(p, a); }
DESCEND_INLINE float32x4_t broadcast(float x) { return vdupq_n_f32(x); }
DESCEND_INLINE float64x2_t broadcast(double x) { return vdupq_n_f64(x); }

DESCEND_INLINE float32x4_t fma(float32x4_t a, float32x4_t b, float32x4_t c) {
  return vfmaq_f32(c, a, b);
}
DESCEND_INLINE float64x2_t fma(float64x2_t a, float64x2_t b, float64x2_t c) {
  return vfmaq_f64(c, a, b);
}
DESCEND_INLINE float32x4_t sqrt(float32x4_t a) { return vsqrtq_f32(a); }
DESCEND_INLINE float64x2_t sqrt(float64x2_t a) { return vsqrtq_f64(a); }
DESCEND_INLINE float32x4_t abs(float32x4_t a) { return vabsq_f32(a); }
DESCEND_INLINE float64x2_t abs(float64x2_t a) { return vabsq_f64(a); }
DESCEND_INLINE float32x4_t round(float32x4_t a) { return vrndnq_f32(a); }
DESCEND_INLINE float64x2_t round(float64x2_t a) { return vrndnq_f64(a); }

DESCEND_INLINE uint32x4_t less(float32x4_t a, float32x4_t b) { return vcltq_f32(a, b); }
DESCEND_INLINE uint64x2_t less(float64x2_t a, float64x2_t b) { return vcltq_f64(a, b); }
DESCEND_INLINE uint32x4_t equal(float32x4_t a, float32x4_t b) { return vceqq_f32(a, b); }
DESCEND_INLINE uint64x2_t equal(float64x2_t a, float64x2_t b) { return vceqq_f64(a, b); }
DESCEND_INLINE bool any(uint32x4_t a) { return vmaxvq_u32(a) != 0; }
DESCEND_INLINE bool any(uint64x2_t a) { return any(vreinterpretq_u32_u64(a)); }
DESCEND_INLINE float32x4_t select(uint32x4_t mask, float32x4_t a, float32x4_t b) {
  return vbslq_f32(mask, a, b);
}
DESCEND_INLINE float64x2_t select(uint64x2_t mask, float64x2_t a, float64x2_t b) {
  return vbslq_f64(mask, a, b);
}

/// 2^n, where that is a normal number: the sum's low bits are n + bias.
DESCEND_INLINE float32x4_t power_of_two(float32x4_t n) {
  const uint32x4_t bits = vreinterpretq_u32_f32(n + vdupq_n_f32(0x1.8p23f + 127));
  return vreinterpretq_f32_u32(vshlq_n_u32(bits, 23));
}
DESCEND_INLINE float64x2_t power_of_two(float64x2_t n) {
  const uint64x2_t bits = vreinterpretq_u64_f64(n + vdupq_n_f64(0x1.8p52 + 1023));
  return vreinterpretq_f64_u64(vshlq_n_u64(bits, 52));
}
DESCEND_INLINE int32x4_t bits_from_sqrt_half(float32x4_t a) {
  return vreinterpretq_s32_f32(a) - vdupq_n_s32(0x3f3504f3);
}
DESCEND_INLINE int64x2_t bits_from_sqrt_half(float64x2_t a) {
  return vreinterpretq_s64_f64(a) - vdupq_n_s64(0x3fe6a09e667f3bcd);
}
DESCEND_INLINE float32x4_t exponent(float32x4_t a) {
  return vcvtq_f32_s32(vshrq_n_s32(bits_from_sqrt_half(a), 23));
}
DESCEND_INLINE float64x2_t exponent(float64x2_t a) {
  return vcvtq_f64_s64(vshrq_n_s64(bits_from_sqrt_half(a), 52));
}
DESCEND_INLINE float32x4_t fraction(float32x4_t a) {
  const int32x4_t offset = bits_from_sqrt_half(a) & vdupq_n_s32(0x007fffff);
  return vreinterpretq_f32_s32(offset + vdupq_n_s32(0x3f3504f3));
}
DESCEND_INLINE float64x2_t fraction(float64x2_t a) {
  const int64x2_t offset = bits_from_sqrt_half(a) & vdupq_n_s64(0x000fffffffffffff);
  return vreinterpretq_f64_s64(offset + vdupq_n_s64(0x3fe6a09e667f3bcd));
}

// ---- four registers ----------------------------------------------------------------------------

/// All ones in the lanes that hold.
template <class T>
struct Mask {
  typename Register<T>::Lanes part[4];
};

template <class T>
struct Vec {
  static constexpr std::size_t kPart = kGroup<T> / 4;
  typename Register<T>::Type part[4];

  static DESCEND_INLINE Vec load(const T* p) {
    using DESCEND_ISA_NAMESPACE::load;
    return {load(p), load(p + kPart), load(p + 2 * kPart), load(p + 3 * kPart)};
  }
  static DESCEND_INLINE Vec load_first(const T* p, std::size_t n) {
    T lanes[kGroup<T>] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  static DESCEND_INLINE Vec broadcast(T x) {
    const auto all = DESCEND_ISA_NAMESPACE::broadcast(x);
    return {all, all, all, all};
  }
  static DESCEND_INLINE Vec zero() { return broadcast(0); }
  static DESCEND_INLINE Vec lane_index() {
    T lanes[kGroup<T>];
    for (std::size_t i = 0; i < kGroup<T>; ++i) lanes[i] = static_cast<T>(i);
    return load(lanes);
  }
  DESCEND_INLINE void store(T* p) const {
    for (std::size_t i = 0; i < 4; ++i) DESCEND_ISA_NAMESPACE::store(p + i * kPart, part[i]);
  }
  DESCEND_INLINE void store_first(T* p, std::size_t n) const {
    T lanes[kGroup<T>];
    store(lanes);
    for (std::size_t i = 0; i < n; ++i) p[i] = lanes[i];
  }
};

template <class T>
DESCEND_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = a.part[i] + b.part[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = a.part[i] - b.part[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = a.part[i] * b.part[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = a.part[i] / b.part[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = -a.part[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  for (std::size_t i = 0; i < 4; ++i) c.part[i] = fma(a.part[i], b.part[i], c.part[i]);
  return c;
}
template <class T>
DESCEND_INLINE Vec<T> sqrt(Vec<T> a) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = sqrt(a.part[i]);
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> abs(Vec<T> a) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = abs(a.part[i]);
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> round(Vec<T> a) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = round(a.part[i]);
  return a;
}

template <class T>
DESCEND_INLINE Mask<T> less(Vec<T> a, Vec<T> b) {
  Mask<T> mask;
  for (std::size_t i = 0; i < 4; ++i) mask.part[i] = less(a.part[i], b.part[i]);
  return mask;
}
template <class T>
DESCEND_INLINE Mask<T> equal(Vec<T> a, Vec<T> b) {
  Mask<T> mask;
  for (std::size_t i = 0; i < 4; ++i) mask.part[i] = equal(a.part[i], b.part[i]);
  return mask;
}
template <class T>
DESCEND_INLINE std::uint64_t nonzero_bits(Vec<T> a) {
  T lanes[kGroup<T>];
  a.store(lanes);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < kGroup<T>; ++i) bits |= std::uint64_t{lanes[i] != T{0}} << i;
  return bits;
}
template <class T>
DESCEND_INLINE Vec<T> select(Mask<T> mask, Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = select(mask.part[i], a.part[i], b.part[i]);
  return a;
}
// Not vminq and vmaxq, which give NaN wherever either operand is NaN.
template <class T>
DESCEND_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
  return select(less(a, b), a, b);
}
template <class T>
DESCEND_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
  return select(less(b, a), a, b);
}

template <class T>
DESCEND_INLINE Vec<T> scale(Vec<T> a, Vec<T> n) {
  // Two factors, for 2^n itself may be out of range where a 2^n is not.
  const Vec<T> half = round(n * Vec<T>::broadcast(T(0.5)));
  const Vec<T> rest = n - half;
  for (std::size_t i = 0; i < 4; ++i) {
    a.part[i] = a.part[i] * power_of_two(half.part[i]) * power_of_two(rest.part[i]);
  }
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> exponent(Vec<T> a) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = exponent(a.part[i]);
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> fraction(Vec<T> a) {
  for (std::size_t i = 0; i < 4; ++i) a.part[i] = fraction(a.part[i]);
  return a;
}

template <class T>
DESCEND_INLINE T sum(Vec<T> a) {
  T lanes[kGroup<T>];
  a.store(lanes);
  for (std::size_t half = kGroup<T> / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}
template <class T>
DESCEND_INLINE T maximum(Vec<T> a) {
  T lanes[kGroup<T>];
  a.store(lanes);
  for (std::size_t half = kGroup<T> / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) {
      lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    }
  }
  return lanes[0];
}

/// out = source transposed, both kGroup<T> by kGroup<T>.
template <class T>
DESCEND_INLINE void transpose_block(const T* source, std::size_t ld_source, T* out,
                                    std::size_t ld_out) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) {
    for (std::size_t j = 0; j < kGroup<T>; ++j) out[j * ld_out + i] = source[i * ld_source + j];
  }
}

DESCEND_INLINE Vec<double> doubles(const float* p) {
  const float32x4_t low = vld1q_f32(p), high = vld1q_f32(p + 4);
  return {vcvt_f64_f32(vget_low_f32(low)), vcvt_high_f64_f32(low), vcvt_f64_f32(vget_low_f32(high)),
          vcvt_high_f64_f32(high)};
}

// ---- half a vector -----------------------------------------------------------------------------

template <class T>
struct Half {
  static constexpr std::size_t kPart = kGroup<T> / 4;
  typename Register<T>::Type part[2];

  static DESCEND_INLINE Half load(const T* p) {
    using DESCEND_ISA_NAMESPACE::load;
    return {load(p), load(p + kPart)};
  }
  DESCEND_INLINE void store_group(T* p) const {
    const auto zero = DESCEND_ISA_NAMESPACE::broadcast(T{0});
    Vec<T>{part[0], part[1], zero, zero}.store(p);
  }
};
template <class T>
DESCEND_INLINE Half<T> low_half(Vec<T> a) {
  return {a.part[0], a.part[1]};
}
template <class T>
DESCEND_INLINE Half<T> operator+(Half<T> a, Half<T> b) {
  return {a.part[0] + b.part[0], a.part[1] + b.part[1]};
}
template <class T>
DESCEND_INLINE Half<T> fma(Half<T> a, Half<T> b, Half<T> c) {
  return {fma(a.part[0], b.part[0], c.part[0]), fma(a.part[1], b.part[1], c.part[1])};
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
