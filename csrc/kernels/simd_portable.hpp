// Vec<T>: 64 bytes of floats or doubles, here a plain array for any processor.
// The operations are described in simd_avx512.hpp. Fused multiply-adds go through the C library
// where the processor lacks them: right everywhere, fast nowhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/number_bits.hpp"
#include "kernels/panels.hpp"

// Left to the compiler: arrays inlined by force take it minutes, and calls cost little here.
#define DESCEND_INLINE inline

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
struct Mask {
  bool lane[kGroup<T>];
};

template <class T>
struct Vec {
  T lane[kGroup<T>];

  static DESCEND_INLINE Vec load(const T* p) { return load_first(p, kGroup<T>); }
  static DESCEND_INLINE Vec load_first(const T* p, std::size_t n) {
    Vec r{};
    for (std::size_t i = 0; i < n; ++i) r.lane[i] = p[i];
    return r;
  }
  static DESCEND_INLINE Vec broadcast(T x) {
    Vec r;
    for (T& lane : r.lane) lane = x;
    return r;
  }
  static DESCEND_INLINE Vec zero() { return Vec{}; }
  static DESCEND_INLINE Vec lane_index() {
    Vec r;
    for (std::size_t i = 0; i < kGroup<T>; ++i) r.lane[i] = static_cast<T>(i);
    return r;
  }
  DESCEND_INLINE void store(T* p) const { store_first(p, kGroup<T>); }
  DESCEND_INLINE void store_first(T* p, std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) p[i] = lane[i];
  }
};

template <class To, class From>
DESCEND_INLINE To bit_cast(From from) {
  To to;
  static_assert(sizeof(To) == sizeof(From));
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}

DESCEND_INLINE float fma_lane(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DESCEND_INLINE double fma_lane(double a, double b, double c) { return __builtin_fma(a, b, c); }
DESCEND_INLINE float sqrt_lane(float a) { return __builtin_sqrtf(a); }
DESCEND_INLINE double sqrt_lane(double a) { return __builtin_sqrt(a); }
DESCEND_INLINE float abs_lane(float a) { return __builtin_fabsf(a); }
DESCEND_INLINE double abs_lane(double a) { return __builtin_fabs(a); }
DESCEND_INLINE float round_lane(float a) { return __builtin_rintf(a); }
DESCEND_INLINE double round_lane(double a) { return __builtin_rint(a); }

template <class T>
DESCEND_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) a.lane[i] += b.lane[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) a.lane[i] -= b.lane[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) a.lane[i] *= b.lane[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) a.lane[i] /= b.lane[i];
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a) {
  for (T& lane : a.lane) lane = -lane;
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) {
    c.lane[i] = fma_lane(a.lane[i], b.lane[i], c.lane[i]);
  }
  return c;
}
template <class T>
DESCEND_INLINE Vec<T> sqrt(Vec<T> a) {
  for (T& lane : a.lane) lane = sqrt_lane(lane);
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> abs(Vec<T> a) {
  for (T& lane : a.lane) lane = abs_lane(lane);
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) {
    a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
  }
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) {
    a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
  }
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> round(Vec<T> a) {
  for (T& lane : a.lane) lane = round_lane(lane);
  return a;
}

template <class T>
DESCEND_INLINE Mask<T> less(Vec<T> a, Vec<T> b) {
  Mask<T> r;
  for (std::size_t i = 0; i < kGroup<T>; ++i) r.lane[i] = a.lane[i] < b.lane[i];
  return r;
}
template <class T>
DESCEND_INLINE Mask<T> equal(Vec<T> a, Vec<T> b) {
  Mask<T> r;
  for (std::size_t i = 0; i < kGroup<T>; ++i) r.lane[i] = a.lane[i] == b.lane[i];
  return r;
}
template <class T>
DESCEND_INLINE std::uint64_t nonzero_bits(Vec<T> a) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < kGroup<T>; ++i) bits |= std::uint64_t{a.lane[i] != T{0}} << i;
  return bits;
}
template <class T>
DESCEND_INLINE Vec<T> select(Mask<T> mask, Vec<T> a, Vec<T> b) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) a.lane[i] = mask.lane[i] ? a.lane[i] : b.lane[i];
  return a;
}

/// 2^n, where that is a normal number: the sum's low bits are n + bias.
template <class T>
DESCEND_INLINE T power_of_two(T n) {
  using B = Bits<T>;
  constexpr T kShift = T{3} * (typename B::Integer{1} << (B::kFraction - 1)) + T{B::kBias};
  return bit_cast<T>(bit_cast<typename B::Integer>(n + kShift) << B::kFraction);
}
template <class T>
DESCEND_INLINE Vec<T> scale(Vec<T> a, Vec<T> n) {
  for (std::size_t i = 0; i < kGroup<T>; ++i) {
    // Two factors, for 2^n itself may be out of range where a 2^n is not.
    const T half = round_lane(n.lane[i] * T(0.5));
    a.lane[i] = a.lane[i] * power_of_two<T>(half) * power_of_two<T>(n.lane[i] - half);
  }
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> exponent(Vec<T> a) {
  using B = Bits<T>;
  for (T& lane : a.lane) {
    const auto offset = bit_cast<typename B::Integer>(lane) - B::kSqrtHalf;
    const auto biased = (offset + (B::kBias << B::kFraction)) >> B::kFraction;
    lane = static_cast<T>(static_cast<int>(biased) - static_cast<int>(B::kBias));
  }
  return a;
}
template <class T>
DESCEND_INLINE Vec<T> fraction(Vec<T> a) {
  using B = Bits<T>;
  constexpr typename B::Integer kFractionMask = (typename B::Integer{1} << B::kFraction) - 1;
  for (T& lane : a.lane) {
    const auto offset = bit_cast<typename B::Integer>(lane) - B::kSqrtHalf;
    lane = bit_cast<T>((offset & kFractionMask) + B::kSqrtHalf);
  }
  return a;
}

template <class T>
DESCEND_INLINE T sum(Vec<T> a) {
  for (std::size_t half = kGroup<T> / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) a.lane[i] += a.lane[i + half];
  }
  return a.lane[0];
}
template <class T>
DESCEND_INLINE T maximum(Vec<T> a) {
  for (std::size_t half = kGroup<T> / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) {
      a.lane[i] = a.lane[i] > a.lane[i + half] ? a.lane[i] : a.lane[i + half];
    }
  }
  return a.lane[0];
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
  Vec<double> r;
  for (std::size_t i = 0; i < kGroup<double>; ++i) r.lane[i] = static_cast<double>(p[i]);
  return r;
}

// ---- half a vector -----------------------------------------------------------------------------

template <class T>
struct Half {
  static constexpr std::size_t kLanes = kGroup<T> / 2;
  T lane[kLanes];

  static DESCEND_INLINE Half load(const T* p) {
    Half r;
    for (std::size_t i = 0; i < kLanes; ++i) r.lane[i] = p[i];
    return r;
  }
  DESCEND_INLINE void store_group(T* p) const {
    for (std::size_t i = 0; i < kLanes; ++i) {
      p[i] = lane[i];
      p[kLanes + i] = T{0};
    }
  }
};
template <class T>
DESCEND_INLINE Half<T> low_half(Vec<T> a) {
  return Half<T>::load(a.lane);
}
template <class T>
DESCEND_INLINE Half<T> operator+(Half<T> a, Half<T> b) {
  for (std::size_t i = 0; i < Half<T>::kLanes; ++i) a.lane[i] += b.lane[i];
  return a;
}
template <class T>
DESCEND_INLINE Half<T> fma(Half<T> a, Half<T> b, Half<T> c) {
  for (std::size_t i = 0; i < Half<T>::kLanes; ++i) {
    c.lane[i] = fma_lane(a.lane[i], b.lane[i], c.lane[i]);
  }
  return c;
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
