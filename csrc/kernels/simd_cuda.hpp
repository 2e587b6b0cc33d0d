// Vec<T> for the threads of a GPU: a thread has one lane. Where lanes are one for one, as in
// activations and updates, a Vec is any number of the thread's; where they are loaded, summed or
// counted, the threads of a group, kGroup<T> of them side by side, hold a Vec together.
// The operations are described in simd_avx512.hpp. Compiled without contraction, with IEEE division
// and square root, and for float with -ftz=true, which counts subnormal numbers as zero as the
// processor's kernels do; doubles are flushed here, behind each operation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.hpp"
#include "kernels/number_bits.hpp"
#include "kernels/panels.hpp"

#define DESCEND_FUNCTION __host__ __device__
#define DESCEND_INLINE __forceinline__ __host__ __device__
#define DESCEND_LANES_ARE_THREADS

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class To, class From>
DESCEND_INLINE To bit_cast(From from) {
  To to;
  static_assert(sizeof(To) == sizeof(From));
  memcpy(&to, &from, sizeof(To));
  return to;
}

/// A subnormal double as a zero of its sign; the compiler sees to floats.
DESCEND_INLINE float flushed(float x) { return x; }
DESCEND_INLINE double flushed(double x) {
  constexpr std::uint64_t kExponent = 0x7ff0000000000000, kSign = 0x8000000000000000;
  const auto bits = bit_cast<std::uint64_t>(x);
  return (bits & kExponent) == 0 ? bit_cast<double>(bits & kSign) : x;
}

DESCEND_INLINE float fma_lane(float a, float b, float c) { return ::fmaf(a, b, c); }
DESCEND_INLINE double fma_lane(double a, double b, double c) { return ::fma(a, b, c); }
DESCEND_INLINE float sqrt_lane(float a) { return ::sqrtf(a); }
DESCEND_INLINE double sqrt_lane(double a) { return ::sqrt(a); }
DESCEND_INLINE float abs_lane(float a) { return ::fabsf(a); }
DESCEND_INLINE double abs_lane(double a) { return ::fabs(a); }
DESCEND_INLINE float round_lane(float a) { return ::rintf(a); }
DESCEND_INLINE double round_lane(double a) { return ::rint(a); }

#ifdef __CUDA_ARCH__
/// This thread's place in its group; the blocks of threads are lines of whole warps.
template <class T>
DESCEND_INLINE unsigned own_lane() {
  return threadIdx.x % static_cast<unsigned>(kGroup<T>);
}
/// The threads of its group, which take part in what follows.
template <class T>
DESCEND_INLINE unsigned own_group() {
  constexpr unsigned kLanes = static_cast<unsigned>(kGroup<T>);
  return ((1u << kLanes) - 1u) << (threadIdx.x % 32u / kLanes * kLanes);
}
template <class T>
DESCEND_INLINE T lane_below(T x, unsigned distance) {
  return __shfl_down_sync(own_group<T>(), x, distance, static_cast<int>(kGroup<T>));
}
template <class T>
DESCEND_INLINE T lane_of(T x, unsigned lane) {
  return __shfl_sync(own_group<T>(), x, static_cast<int>(lane), static_cast<int>(kGroup<T>));
}
#else
// Nothing below asks for lanes on the host.
template <class T>
DESCEND_INLINE unsigned own_lane() {
  return 0;
}
template <class T>
DESCEND_INLINE unsigned own_group() {
  return 0;
}
template <class T>
DESCEND_INLINE T lane_below(T x, unsigned) {
  return x;
}
template <class T>
DESCEND_INLINE T lane_of(T x, unsigned) {
  return x;
}
#endif

template <class T>
struct Mask {
  bool lane;
};

template <class T>
struct Vec {
  T lane;

  static DESCEND_INLINE Vec load(const T* p) { return {p[own_lane<T>()]}; }
  static DESCEND_INLINE Vec load_first(const T* p, std::size_t n) {
    return {own_lane<T>() < n ? p[own_lane<T>()] : T{0}};
  }
  static DESCEND_INLINE Vec broadcast(T x) { return {x}; }
  static DESCEND_INLINE Vec zero() { return {T{0}}; }
  static DESCEND_INLINE Vec lane_index() { return {static_cast<T>(own_lane<T>())}; }
  DESCEND_INLINE void store(T* p) const { p[own_lane<T>()] = lane; }
  DESCEND_INLINE void store_first(T* p, std::size_t n) const {
    if (own_lane<T>() < n) p[own_lane<T>()] = lane;
  }
};

template <class T>
DESCEND_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) {
  return {flushed(a.lane + b.lane)};
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) {
  return {flushed(a.lane - b.lane)};
}
template <class T>
DESCEND_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) {
  return {flushed(a.lane * b.lane)};
}
template <class T>
DESCEND_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) {
  return {flushed(a.lane / b.lane)};
}
template <class T>
DESCEND_INLINE Vec<T> operator-(Vec<T> a) {
  return {-a.lane};
}
template <class T>
DESCEND_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  return {flushed(fma_lane(a.lane, b.lane, c.lane))};
}
template <class T>
DESCEND_INLINE Vec<T> sqrt(Vec<T> a) {
  return {sqrt_lane(a.lane)};
}
template <class T>
DESCEND_INLINE Vec<T> abs(Vec<T> a) {
  return {abs_lane(a.lane)};
}
template <class T>
DESCEND_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
  return {a.lane < b.lane ? a.lane : b.lane};
}
template <class T>
DESCEND_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
  return {a.lane > b.lane ? a.lane : b.lane};
}
template <class T>
DESCEND_INLINE Vec<T> round(Vec<T> a) {
  return {round_lane(a.lane)};
}

template <class T>
DESCEND_INLINE Mask<T> less(Vec<T> a, Vec<T> b) {
  return {a.lane < b.lane};
}
template <class T>
DESCEND_INLINE Mask<T> equal(Vec<T> a, Vec<T> b) {
  return {a.lane == b.lane};
}
template <class T>
DESCEND_INLINE Vec<T> select(Mask<T> mask, Vec<T> a, Vec<T> b) {
  return {mask.lane ? a.lane : b.lane};
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
  // Two factors, for 2^n itself may be out of range where a 2^n is not.
  const T half = round_lane(n.lane * T(0.5));
  const T scaled = flushed(a.lane * power_of_two<T>(half));
  return {flushed(scaled * power_of_two<T>(n.lane - half))};
}
template <class T>
DESCEND_INLINE Vec<T> exponent(Vec<T> a) {
  using B = Bits<T>;
  const auto offset = bit_cast<typename B::Integer>(a.lane) - B::kSqrtHalf;
  const auto biased = (offset + (B::kBias << B::kFraction)) >> B::kFraction;
  return {static_cast<T>(static_cast<int>(biased) - static_cast<int>(B::kBias))};
}
template <class T>
DESCEND_INLINE Vec<T> fraction(Vec<T> a) {
  using B = Bits<T>;
  constexpr typename B::Integer kFractionMask = (typename B::Integer{1} << B::kFraction) - 1;
  const auto offset = bit_cast<typename B::Integer>(a.lane) - B::kSqrtHalf;
  return {bit_cast<T>((offset & kFractionMask) + B::kSqrtHalf)};
}

template <class T>
DESCEND_INLINE T sum(Vec<T> a) {
  for (unsigned half = kGroup<T> / 2; half > 0; half /= 2) {
    a.lane = flushed(a.lane + lane_below(a.lane, half));
  }
  return lane_of(a.lane, 0);
}
template <class T>
DESCEND_INLINE T maximum(Vec<T> a) {
  for (unsigned half = kGroup<T> / 2; half > 0; half /= 2) {
    const T other = lane_below(a.lane, half);
    a.lane = a.lane > other ? a.lane : other;
  }
  return lane_of(a.lane, 0);
}

namespace losses {

/// As row_lanes.hpp has it: a lane's number is its thread's.
template <class T>
class Lanes {
 public:
  DESCEND_INLINE void set(std::size_t i, T x) {
    if (own_lane<T>() == i) value_ = x;
  }
  DESCEND_INLINE T get(std::size_t i) const { return lane_of(value_, static_cast<unsigned>(i)); }
  DESCEND_INLINE void take(Vec<T> x, std::size_t) { value_ = x.lane; }
  DESCEND_INLINE Vec<T> vec(std::size_t) const { return {value_}; }

 private:
  T value_ = T{0};
};

/// As row_lanes.hpp has it: a thread holds the row of its lane.
template <class T>
class Transposed {
 public:
  DESCEND_INLINE void read(const T* rows, std::size_t ld, std::size_t count, std::size_t outputs) {
    const T* const row = rows + own_lane<T>() * ld;
    for (std::size_t j = 0; j < outputs; ++j) row_[j] = own_lane<T>() < count ? row[j] : T{0};
  }
  DESCEND_INLINE Vec<T> output(std::size_t j) const { return {row_[j]}; }
  DESCEND_INLINE void set_output(std::size_t j, Vec<T> x) { row_[j] = x.lane; }
  DESCEND_INLINE void write(const LossArguments<T>& loss, std::size_t first, std::size_t count) {
    if (own_lane<T>() >= count) return;
    T* const row = loss.d_outputs + (first + own_lane<T>()) * loss.ld_d;
    const std::size_t columns = loss.padded ? padded<T>(loss.outputs) : loss.outputs;
    for (std::size_t j = 0; j < columns; ++j) row[j] = j < loss.outputs ? row_[j] : T{0};
  }

 private:
  T row_[kNarrowOutputs];
};

}  // namespace losses
}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
