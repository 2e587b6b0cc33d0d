// Vec<T>: 64 bytes of floats or doubles, here two 256-bit registers.
// The operations are described in simd_avx512.hpp.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/panels.hpp"

#define DESCEND_INLINE inline __attribute__((always_inline))

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
struct Register;

template <>
struct Register<float> {
  using Type = __m256;
  static DESCEND_INLINE Type load(const float* p) { return _mm256_loadu_ps(p); }
  static DESCEND_INLINE Type load(const float* p, __m256i lanes) {
    return _mm256_maskload_ps(p, lanes);
  }
  static DESCEND_INLINE void store(float* p, Type a) { _mm256_storeu_ps(p, a); }
  static DESCEND_INLINE void store(float* p, __m256i lanes, Type a) {
    _mm256_maskstore_ps(p, lanes, a);
  }
  static DESCEND_INLINE Type broadcast(float x) { return _mm256_set1_ps(x); }
  static DESCEND_INLINE Type lane_index() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
  /// All ones in lanes begin + i < n.
  static DESCEND_INLINE __m256i lanes_below(std::size_t n, std::size_t begin) {
    const __m256i left = _mm256_set1_epi32(static_cast<int>(n) - static_cast<int>(begin));
    return _mm256_cmpgt_epi32(left, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

template <>
struct Register<double> {
  using Type = __m256d;
  static DESCEND_INLINE Type load(const double* p) { return _mm256_loadu_pd(p); }
  static DESCEND_INLINE Type load(const double* p, __m256i lanes) {
    return _mm256_maskload_pd(p, lanes);
  }
  static DESCEND_INLINE void store(double* p, Type a) { _mm256_storeu_pd(p, a); }
  static DESCEND_INLINE void store(double* p, __m256i lanes, Type a) {
    _mm256_maskstore_pd(p, lanes, a);
  }
  static DESCEND_INLINE Type broadcast(double x) { return _mm256_set1_pd(x); }
  static DESCEND_INLINE Type lane_index() { return _mm256_setr_pd(0, 1, 2, 3); }
  static DESCEND_INLINE __m256i lanes_below(std::size_t n, std::size_t begin) {
    const __m256i left = _mm256_set1_epi64x(static_cast<int>(n) - static_cast<int>(begin));
    return _mm256_cmpgt_epi64(left, _mm256_setr_epi64x(0, 1, 2, 3));
  }
};

/// All ones in the lanes that hold.
template <class T>
struct Mask {
  typename Register<T>::Type low, high;
};

template <class T>
struct Vec {
  using R = Register<T>;
  static constexpr std::size_t kHalf = kGroup<T> / 2;
  typename R::Type low, high;

  static DESCEND_INLINE Vec load(const T* p) { return {R::load(p), R::load(p + kHalf)}; }
  static DESCEND_INLINE Vec load_first(const T* p, std::size_t n) {
    return {R::load(p, R::lanes_below(n, 0)), R::load(p + kHalf, R::lanes_below(n, kHalf))};
  }
  static DESCEND_INLINE Vec broadcast(T x) { return {R::broadcast(x), R::broadcast(x)}; }
  static DESCEND_INLINE Vec zero() { return broadcast(0); }
  static DESCEND_INLINE Vec lane_index() {
    return {R::lane_index(), R::lane_index() + R::broadcast(kHalf)};
  }
  DESCEND_INLINE void store(T* p) const {
    R::store(p, low);
    R::store(p + kHalf, high);
  }
  DESCEND_INLINE void store_first(T* p, std::size_t n) const {
    // Masked stores are slow on many processors.
    if (n == kGroup<T>) return store(p);
    R::store(p, R::lanes_below(n, 0), low);
    R::store(p + kHalf, R::lanes_below(n, kHalf), high);
  }
};

template <class T>
DESCEND_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) {
  return {a.low + b.low, a.high + b.high};
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) {
  return {a.low - b.low, a.high - b.high};
}
template <class T>
DESCEND_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) {
  return {a.low * b.low, a.high * b.high};
}
template <class T>
DESCEND_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) {
  return {a.low / b.low, a.high / b.high};
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a) {
  return {-a.low, -a.high};
}

// ---- float -------------------------------------------------------------------------------------

DESCEND_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
DESCEND_INLINE Vec<float> sqrt(Vec<float> a) {
  return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)};
}
DESCEND_INLINE Vec<float> abs(Vec<float> a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
DESCEND_INLINE Vec<float> min(Vec<float> a, Vec<float> b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
DESCEND_INLINE Vec<float> max(Vec<float> a, Vec<float> b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
DESCEND_INLINE Vec<float> round(Vec<float> a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.low, kNearest), _mm256_round_ps(a.high, kNearest)};
}

DESCEND_INLINE Mask<float> less(Vec<float> a, Vec<float> b) {
  return {_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)};
}
DESCEND_INLINE Mask<float> equal(Vec<float> a, Vec<float> b) {
  return {_mm256_cmp_ps(a.low, b.low, _CMP_EQ_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_EQ_OQ)};
}
DESCEND_INLINE std::uint64_t nonzero_bits(Vec<float> a) {
  const auto bits = [](__m256 half) {
    return static_cast<std::uint64_t>(
        _mm256_movemask_ps(_mm256_cmp_ps(half, _mm256_setzero_ps(), _CMP_NEQ_UQ)));
  };
  return bits(a.low) | bits(a.high) << 8;
}
DESCEND_INLINE Vec<float> select(Mask<float> mask, Vec<float> a, Vec<float> b) {
  return {_mm256_blendv_ps(b.low, a.low, mask.low), _mm256_blendv_ps(b.high, a.high, mask.high)};
}

/// 2^n, where that is a normal number: the sum's low bits are n + 127.
DESCEND_INLINE __m256 power_of_two(__m256 n) {
  const __m256i bits = _mm256_castps_si256(n + _mm256_set1_ps(0x1.8p23f + 127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23));
}
DESCEND_INLINE __m256i bits_from_sqrt_half(__m256 a) {
  return _mm256_sub_epi32(_mm256_castps_si256(a), _mm256_set1_epi32(0x3f3504f3));
}
DESCEND_INLINE __m256 exponent(__m256 a) {
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(bits_from_sqrt_half(a), 23));
}
DESCEND_INLINE __m256 fraction(__m256 a) {
  const __m256i offset = _mm256_and_si256(bits_from_sqrt_half(a), _mm256_set1_epi32(0x007fffff));
  return _mm256_castsi256_ps(_mm256_add_epi32(offset, _mm256_set1_epi32(0x3f3504f3)));
}

DESCEND_INLINE float sum(Vec<float> a) {
  const __m256 eight = a.low + a.high;
  const __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
  const __m128 two = four + _mm_movehl_ps(four, four);
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
DESCEND_INLINE float maximum(Vec<float> a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/// out = source transposed, both one register a row.
DESCEND_INLINE void transpose_registers(const float* source, std::size_t ld_source, float* out,
                                        std::size_t ld_out) {
  __m256 rows[8], pairs[8];
  for (std::size_t i = 0; i < 8; ++i) rows[i] = _mm256_loadu_ps(source + i * ld_source);
  // Within 128-bit halves: rows[4 i + j] then holds column 4 h + j of rows 4 i .. 4 i + 3.
  for (std::size_t i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (std::size_t i = 0; i < 8; i += 4) {
    rows[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], _MM_SHUFFLE(1, 0, 1, 0));
    rows[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], _MM_SHUFFLE(3, 2, 3, 2));
    rows[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], _MM_SHUFFLE(1, 0, 1, 0));
    rows[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], _MM_SHUFFLE(3, 2, 3, 2));
  }
  for (std::size_t j = 0; j < 4; ++j) {
    _mm256_storeu_ps(out + j * ld_out, _mm256_permute2f128_ps(rows[j], rows[j + 4], 0x20));
    _mm256_storeu_ps(out + (j + 4) * ld_out, _mm256_permute2f128_ps(rows[j], rows[j + 4], 0x31));
  }
}

// ---- double ------------------------------------------------------------------------------------

DESCEND_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high)};
}
DESCEND_INLINE Vec<double> sqrt(Vec<double> a) {
  return {_mm256_sqrt_pd(a.low), _mm256_sqrt_pd(a.high)};
}
DESCEND_INLINE Vec<double> abs(Vec<double> a) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  return {_mm256_andnot_pd(sign, a.low), _mm256_andnot_pd(sign, a.high)};
}
DESCEND_INLINE Vec<double> min(Vec<double> a, Vec<double> b) {
  return {_mm256_min_pd(a.low, b.low), _mm256_min_pd(a.high, b.high)};
}
DESCEND_INLINE Vec<double> max(Vec<double> a, Vec<double> b) {
  return {_mm256_max_pd(a.low, b.low), _mm256_max_pd(a.high, b.high)};
}
DESCEND_INLINE Vec<double> round(Vec<double> a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_pd(a.low, kNearest), _mm256_round_pd(a.high, kNearest)};
}

DESCEND_INLINE Mask<double> less(Vec<double> a, Vec<double> b) {
  return {_mm256_cmp_pd(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_pd(a.high, b.high, _CMP_LT_OQ)};
}
DESCEND_INLINE Mask<double> equal(Vec<double> a, Vec<double> b) {
  return {_mm256_cmp_pd(a.low, b.low, _CMP_EQ_OQ), _mm256_cmp_pd(a.high, b.high, _CMP_EQ_OQ)};
}
DESCEND_INLINE std::uint64_t nonzero_bits(Vec<double> a) {
  const auto bits = [](__m256d half) {
    return static_cast<std::uint64_t>(
        _mm256_movemask_pd(_mm256_cmp_pd(half, _mm256_setzero_pd(), _CMP_NEQ_UQ)));
  };
  return bits(a.low) | bits(a.high) << 4;
}
DESCEND_INLINE Vec<double> select(Mask<double> mask, Vec<double> a, Vec<double> b) {
  return {_mm256_blendv_pd(b.low, a.low, mask.low), _mm256_blendv_pd(b.high, a.high, mask.high)};
}

DESCEND_INLINE __m256d power_of_two(__m256d n) {
  const __m256i bits = _mm256_castpd_si256(n + _mm256_set1_pd(0x1.8p52 + 1023));
  return _mm256_castsi256_pd(_mm256_slli_epi64(bits, 52));
}
DESCEND_INLINE __m256i bits_from_sqrt_half(__m256d a) {
  return _mm256_sub_epi64(_mm256_castpd_si256(a), _mm256_set1_epi64x(0x3fe6a09e667f3bcd));
}
DESCEND_INLINE __m256d exponent(__m256d a) {
  // AVX2 does not convert 64-bit integers: put the biased exponent in the low bits of 2^52.
  const __m256i bias = _mm256_set1_epi64x(std::int64_t{1023} << 52);
  const __m256i biased = _mm256_srli_epi64(_mm256_add_epi64(bits_from_sqrt_half(a), bias), 52);
  const __m256d base = _mm256_set1_pd(0x1p52);
  return _mm256_or_pd(_mm256_castsi256_pd(biased), base) - (base + _mm256_set1_pd(1023));
}
DESCEND_INLINE __m256d fraction(__m256d a) {
  const __m256i offset =
      _mm256_and_si256(bits_from_sqrt_half(a), _mm256_set1_epi64x(0x000fffffffffffff));
  return _mm256_castsi256_pd(_mm256_add_epi64(offset, _mm256_set1_epi64x(0x3fe6a09e667f3bcd)));
}

DESCEND_INLINE double sum(Vec<double> a) {
  const __m256d four = a.low + a.high;
  const __m128d two = _mm256_castpd256_pd128(four) + _mm256_extractf128_pd(four, 1);
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
DESCEND_INLINE double maximum(Vec<double> a) {
  const __m256d four = _mm256_max_pd(a.low, a.high);
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

/// out = source transposed, both one register a row.
DESCEND_INLINE void transpose_registers(const double* source, std::size_t ld_source, double* out,
                                        std::size_t ld_out) {
  __m256d rows[4], pairs[4];
  for (std::size_t i = 0; i < 4; ++i) rows[i] = _mm256_loadu_pd(source + i * ld_source);
  for (std::size_t i = 0; i < 4; i += 2) {
    pairs[i] = _mm256_unpacklo_pd(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_pd(rows[i], rows[i + 1]);
  }
  for (std::size_t j = 0; j < 2; ++j) {
    _mm256_storeu_pd(out + j * ld_out, _mm256_permute2f128_pd(pairs[j], pairs[j + 2], 0x20));
    _mm256_storeu_pd(out + (j + 2) * ld_out, _mm256_permute2f128_pd(pairs[j], pairs[j + 2], 0x31));
  }
}

// ---- both --------------------------------------------------------------------------------------

template <class T>
DESCEND_INLINE Vec<T> scale(Vec<T> a, Vec<T> n) {
  // Two factors, for 2^n itself may be out of range where a 2^n is not.
  const Vec<T> half = round(n * Vec<T>::broadcast(T(0.5)));
  const Vec<T> rest = n - half;
  return {a.low * power_of_two(half.low) * power_of_two(rest.low),
          a.high * power_of_two(half.high) * power_of_two(rest.high)};
}
template <class T>
DESCEND_INLINE Vec<T> exponent(Vec<T> a) {
  return {exponent(a.low), exponent(a.high)};
}
template <class T>
DESCEND_INLINE Vec<T> fraction(Vec<T> a) {
  return {fraction(a.low), fraction(a.high)};
}

/// out = source transposed, both kGroup<T> by kGroup<T>.
template <class T>
DESCEND_INLINE void transpose_block(const T* source, std::size_t ld_source, T* out,
                                    std::size_t ld_out) {
  constexpr std::size_t kHalf = Vec<T>::kHalf;
  for (std::size_t i = 0; i < kGroup<T>; i += kHalf) {
    for (std::size_t j = 0; j < kGroup<T>; j += kHalf) {
      transpose_registers(source + i * ld_source + j, ld_source, out + j * ld_out + i, ld_out);
    }
  }
}

DESCEND_INLINE Vec<double> doubles(const float* p) {
  return {_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
}

// ---- half a vector -----------------------------------------------------------------------------

template <class T>
struct Half {
  using R = Register<T>;
  typename R::Type low;

  static DESCEND_INLINE Half load(const T* p) { return {R::load(p)}; }
  DESCEND_INLINE void store_group(T* p) const { Vec<T>{low, R::broadcast(0)}.store(p); }
};
template <class T>
DESCEND_INLINE Half<T> low_half(Vec<T> a) {
  return {a.low};
}
template <class T>
DESCEND_INLINE Half<T> operator+(Half<T> a, Half<T> b) {
  return {a.low + b.low};
}
DESCEND_INLINE Half<float> fma(Half<float> a, Half<float> b, Half<float> c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low)};
}
DESCEND_INLINE Half<double> fma(Half<double> a, Half<double> b, Half<double> c) {
  return {_mm256_fmadd_pd(a.low, b.low, c.low)};
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
