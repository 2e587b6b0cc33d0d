// Vec<T>: 64 bytes of floats or doubles, here one 512-bit register.
// Every simd_*.hpp offers these operations with these results, bit for bit:
//   fma(a, b, c)       a b + c, rounded once
//   min(a, b)          a < b ? a : b, so b where either is NaN; max likewise with >
//   round(a)           to the nearest whole number, ties to even
//   scale(a, n)        a 2^n; n whole, |n| <= 252 in float and 2044 in double
//   fraction(a), exponent(a)
//                      a = fraction 2^exponent, fraction in [sqrt(1/2), sqrt(2)); a positive,
//                      normal
//   nonzero_bits(a)    bit i: whether lane i is not 0
//   sum(a), maximum(a) lane i is joined with lane i + half, halving down to one lane
//   load_first, store_first
//                      touch the first n <= kGroup<T> elements only; lanes not loaded are 0
//   doubles(p)         the eight floats at p
//   Half<T>            the first half of a Vec: load, +, fma, and store_group, which puts zeros
//   behind
//                      it; low_half(a) is that of a
#pragma once

#ifdef __clang__
#include <immintrin.h>
#else
// GCC 12 takes the intrinsics' own undefined registers for uninitialised ones (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include <cstddef>
#include <cstdint>

#include "kernels/panels.hpp"

#define DESCEND_INLINE inline __attribute__((always_inline))

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
struct Vec;
template <class T>
struct Mask;

// ---- float -------------------------------------------------------------------------------------

template <>
struct Mask<float> {
  __mmask16 bits;
};

template <>
struct Vec<float> {
  __m512 v;

  static DESCEND_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static DESCEND_INLINE Vec load_first(const float* p, std::size_t n) {
    return {_mm512_maskz_loadu_ps(first(n), p)};
  }
  static DESCEND_INLINE Vec broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static DESCEND_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
  static DESCEND_INLINE Vec lane_index() {
    return {_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)};
  }
  DESCEND_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  DESCEND_INLINE void store_first(float* p, std::size_t n) const {
    _mm512_mask_storeu_ps(p, first(n), v);
  }

 private:
  static DESCEND_INLINE __mmask16 first(std::size_t n) {
    return static_cast<__mmask16>((1u << n) - 1u);
  }
};

DESCEND_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) {
  return {_mm512_add_ps(a.v, b.v)};
}
DESCEND_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
DESCEND_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
DESCEND_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) {
  return {_mm512_div_ps(a.v, b.v)};
}
DESCEND_INLINE Vec<float> operator-(Vec<float> a) {
  return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))};
}
DESCEND_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
DESCEND_INLINE Vec<float> sqrt(Vec<float> a) { return {_mm512_sqrt_ps(a.v)}; }
DESCEND_INLINE Vec<float> abs(Vec<float> a) { return {_mm512_abs_ps(a.v)}; }
DESCEND_INLINE Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm512_min_ps(a.v, b.v)}; }
DESCEND_INLINE Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm512_max_ps(a.v, b.v)}; }
DESCEND_INLINE Vec<float> round(Vec<float> a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

DESCEND_INLINE Mask<float> less(Vec<float> a, Vec<float> b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
DESCEND_INLINE Mask<float> equal(Vec<float> a, Vec<float> b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)};
}
DESCEND_INLINE std::uint64_t nonzero_bits(Vec<float> a) {
  return _mm512_cmp_ps_mask(a.v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}
DESCEND_INLINE Vec<float> select(Mask<float> mask, Vec<float> a, Vec<float> b) {
  return {_mm512_mask_blend_ps(mask.bits, b.v, a.v)};
}

DESCEND_INLINE Vec<float> scale(Vec<float> a, Vec<float> n) { return {_mm512_scalef_ps(a.v, n.v)}; }
DESCEND_INLINE __m512i bits_from_sqrt_half(Vec<float> a) {
  return _mm512_sub_epi32(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x3f3504f3));
}
DESCEND_INLINE Vec<float> exponent(Vec<float> a) {
  return {_mm512_cvtepi32_ps(_mm512_srai_epi32(bits_from_sqrt_half(a), 23))};
}
DESCEND_INLINE Vec<float> fraction(Vec<float> a) {
  const __m512i offset = _mm512_and_si512(bits_from_sqrt_half(a), _mm512_set1_epi32(0x007fffff));
  return {_mm512_castsi512_ps(_mm512_add_epi32(offset, _mm512_set1_epi32(0x3f3504f3)))};
}

DESCEND_INLINE float sum(Vec<float> a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
DESCEND_INLINE float maximum(Vec<float> a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/// out (16, 16) = source (16, 16) transposed.
DESCEND_INLINE void transpose_block(const float* source, std::size_t ld_source, float* out,
                                    std::size_t ld_out) {
  __m512 rows[16], pairs[16];
  for (std::size_t i = 0; i < 16; ++i) rows[i] = _mm512_loadu_ps(source + i * ld_source);
  // Within 128-bit quarters: rows[4 i + j] then holds column 4 q + j of rows 4 i .. 4 i + 3.
  for (std::size_t i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    rows[i] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], _MM_SHUFFLE(1, 0, 1, 0));
    rows[i + 1] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], _MM_SHUFFLE(3, 2, 3, 2));
    rows[i + 2] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], _MM_SHUFFLE(1, 0, 1, 0));
    rows[i + 3] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], _MM_SHUFFLE(3, 2, 3, 2));
  }
  // Then the 4 x 4 quarters themselves.
  for (std::size_t j = 0; j < 4; ++j) {
    const __m512 even_top = _mm512_shuffle_f32x4(rows[j], rows[j + 4], 0x88);
    const __m512 odd_top = _mm512_shuffle_f32x4(rows[j], rows[j + 4], 0xdd);
    const __m512 even_bottom = _mm512_shuffle_f32x4(rows[j + 8], rows[j + 12], 0x88);
    const __m512 odd_bottom = _mm512_shuffle_f32x4(rows[j + 8], rows[j + 12], 0xdd);
    _mm512_storeu_ps(out + j * ld_out, _mm512_shuffle_f32x4(even_top, even_bottom, 0x88));
    _mm512_storeu_ps(out + (j + 4) * ld_out, _mm512_shuffle_f32x4(odd_top, odd_bottom, 0x88));
    _mm512_storeu_ps(out + (j + 8) * ld_out, _mm512_shuffle_f32x4(even_top, even_bottom, 0xdd));
    _mm512_storeu_ps(out + (j + 12) * ld_out, _mm512_shuffle_f32x4(odd_top, odd_bottom, 0xdd));
  }
}

// ---- double ------------------------------------------------------------------------------------

template <>
struct Mask<double> {
  __mmask8 bits;
};

template <>
struct Vec<double> {
  __m512d v;

  static DESCEND_INLINE Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static DESCEND_INLINE Vec load_first(const double* p, std::size_t n) {
    return {_mm512_maskz_loadu_pd(first(n), p)};
  }
  static DESCEND_INLINE Vec broadcast(double x) { return {_mm512_set1_pd(x)}; }
  static DESCEND_INLINE Vec zero() { return {_mm512_setzero_pd()}; }
  static DESCEND_INLINE Vec lane_index() { return {_mm512_setr_pd(0, 1, 2, 3, 4, 5, 6, 7)}; }
  DESCEND_INLINE void store(double* p) const { _mm512_storeu_pd(p, v); }
  DESCEND_INLINE void store_first(double* p, std::size_t n) const {
    _mm512_mask_storeu_pd(p, first(n), v);
  }

 private:
  static DESCEND_INLINE __mmask8 first(std::size_t n) {
    return static_cast<__mmask8>((1u << n) - 1u);
  }
};

DESCEND_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) {
  return {_mm512_add_pd(a.v, b.v)};
}
DESCEND_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) {
  return {_mm512_sub_pd(a.v, b.v)};
}
DESCEND_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) {
  return {_mm512_mul_pd(a.v, b.v)};
}
DESCEND_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) {
  return {_mm512_div_pd(a.v, b.v)};
}
DESCEND_INLINE Vec<double> operator-(Vec<double> a) {
  return {_mm512_xor_pd(a.v, _mm512_set1_pd(-0.0))};
}
DESCEND_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm512_fmadd_pd(a.v, b.v, c.v)};
}
DESCEND_INLINE Vec<double> sqrt(Vec<double> a) { return {_mm512_sqrt_pd(a.v)}; }
DESCEND_INLINE Vec<double> abs(Vec<double> a) { return {_mm512_abs_pd(a.v)}; }
DESCEND_INLINE Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm512_min_pd(a.v, b.v)}; }
DESCEND_INLINE Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm512_max_pd(a.v, b.v)}; }
DESCEND_INLINE Vec<double> round(Vec<double> a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

DESCEND_INLINE Mask<double> less(Vec<double> a, Vec<double> b) {
  return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ)};
}
DESCEND_INLINE Mask<double> equal(Vec<double> a, Vec<double> b) {
  return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ)};
}
DESCEND_INLINE std::uint64_t nonzero_bits(Vec<double> a) {
  return _mm512_cmp_pd_mask(a.v, _mm512_setzero_pd(), _CMP_NEQ_UQ);
}
DESCEND_INLINE Vec<double> select(Mask<double> mask, Vec<double> a, Vec<double> b) {
  return {_mm512_mask_blend_pd(mask.bits, b.v, a.v)};
}

DESCEND_INLINE Vec<double> scale(Vec<double> a, Vec<double> n) {
  return {_mm512_scalef_pd(a.v, n.v)};
}
DESCEND_INLINE __m512i bits_from_sqrt_half(Vec<double> a) {
  return _mm512_sub_epi64(_mm512_castpd_si512(a.v), _mm512_set1_epi64(0x3fe6a09e667f3bcd));
}
DESCEND_INLINE Vec<double> exponent(Vec<double> a) {
  return {_mm512_cvtepi64_pd(_mm512_srai_epi64(bits_from_sqrt_half(a), 52))};
}
DESCEND_INLINE Vec<double> fraction(Vec<double> a) {
  const __m512i offset =
      _mm512_and_si512(bits_from_sqrt_half(a), _mm512_set1_epi64(0x000fffffffffffff));
  return {_mm512_castsi512_pd(_mm512_add_epi64(offset, _mm512_set1_epi64(0x3fe6a09e667f3bcd)))};
}

DESCEND_INLINE double sum(Vec<double> a) {
  const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
DESCEND_INLINE double maximum(Vec<double> a) {
  const __m256d four = _mm256_max_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

/// out (8, 8) = source (8, 8) transposed.
DESCEND_INLINE void transpose_block(const double* source, std::size_t ld_source, double* out,
                                    std::size_t ld_out) {
  __m512d rows[8], pairs[8];
  for (std::size_t i = 0; i < 8; ++i) rows[i] = _mm512_loadu_pd(source + i * ld_source);
  // Within 128-bit quarters: pairs[2 i + j] holds column 2 q + j of rows 2 i and 2 i + 1.
  for (std::size_t i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_pd(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_pd(rows[i], rows[i + 1]);
  }
  // Then the 4 x 4 quarters themselves.
  for (std::size_t j = 0; j < 2; ++j) {
    const __m512d even_top = _mm512_shuffle_f64x2(pairs[j], pairs[j + 2], 0x88);
    const __m512d odd_top = _mm512_shuffle_f64x2(pairs[j], pairs[j + 2], 0xdd);
    const __m512d even_bottom = _mm512_shuffle_f64x2(pairs[j + 4], pairs[j + 6], 0x88);
    const __m512d odd_bottom = _mm512_shuffle_f64x2(pairs[j + 4], pairs[j + 6], 0xdd);
    _mm512_storeu_pd(out + j * ld_out, _mm512_shuffle_f64x2(even_top, even_bottom, 0x88));
    _mm512_storeu_pd(out + (j + 2) * ld_out, _mm512_shuffle_f64x2(odd_top, odd_bottom, 0x88));
    _mm512_storeu_pd(out + (j + 4) * ld_out, _mm512_shuffle_f64x2(even_top, even_bottom, 0xdd));
    _mm512_storeu_pd(out + (j + 6) * ld_out, _mm512_shuffle_f64x2(odd_top, odd_bottom, 0xdd));
  }
}

DESCEND_INLINE Vec<double> doubles(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }

// ---- half a vector -----------------------------------------------------------------------------

template <class T>
struct Half;

template <>
struct Half<float> {
  __m256 v;
  static DESCEND_INLINE Half load(const float* p) { return {_mm256_loadu_ps(p)}; }
  DESCEND_INLINE void store_group(float* p) const {
    _mm512_storeu_ps(p, _mm512_zextps256_ps512(v));
  }
};
DESCEND_INLINE Half<float> low_half(Vec<float> a) { return {_mm512_castps512_ps256(a.v)}; }
DESCEND_INLINE Half<float> operator+(Half<float> a, Half<float> b) {
  return {_mm256_add_ps(a.v, b.v)};
}
DESCEND_INLINE Half<float> fma(Half<float> a, Half<float> b, Half<float> c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}

template <>
struct Half<double> {
  __m256d v;
  static DESCEND_INLINE Half load(const double* p) { return {_mm256_loadu_pd(p)}; }
  DESCEND_INLINE void store_group(double* p) const {
    _mm512_storeu_pd(p, _mm512_zextpd256_pd512(v));
  }
};
DESCEND_INLINE Half<double> low_half(Vec<double> a) { return {_mm512_castpd512_pd256(a.v)}; }
DESCEND_INLINE Half<double> operator+(Half<double> a, Half<double> b) {
  return {_mm256_add_pd(a.v, b.v)};
}
DESCEND_INLINE Half<double> fma(Half<double> a, Half<double> b, Half<double> c) {
  return {_mm256_fmadd_pd(a.v, b.v, c.v)};
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
