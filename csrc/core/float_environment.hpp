// Subnormal numbers count as zero while a FlushToZero lives, and as themselves while a
// KeepSubnormals lives; the setting of before comes back.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

namespace descend::core {

/// Puts back, when it dies, what it found.
class FloatEnvironment {
 public:
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 protected:
  FloatEnvironment() = default;
  ~FloatEnvironment() { write(before_); }

#if defined(__x86_64__) || defined(__i386__)
  using Register = unsigned int;
  static constexpr Register kFlush = 0x8040;  // results and operands: FTZ and DAZ of MXCSR
  static Register read() { return _mm_getcsr(); }
  static void write(Register value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
  using Register = std::uint64_t;
  static constexpr Register kFlush = std::uint64_t{1} << 24;  // FZ of FPCR
  static Register read() {
    Register value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void write(Register value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
#else
  using Register = int;
  static constexpr Register kFlush = 0;
  static Register read() { return 0; }
  static void write(Register) {}
#endif

  const Register before_ = read();
};

class FlushToZero : FloatEnvironment {
 public:
  FlushToZero() { write(before_ | kFlush); }
};

class KeepSubnormals : FloatEnvironment {
 public:
  KeepSubnormals() { write(before_ & ~kFlush); }
};

}  // namespace descend::core
