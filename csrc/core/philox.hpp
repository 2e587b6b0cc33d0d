// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror & Shaw (2011): four random
// words for each counter and key, in any order and on any thread.
//   key      (seed low, seed high)
//   counter  (block low, block high, index, purpose | place): blocks of a stream count from 0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace descend::core {

using PhiloxKey = std::array<std::uint32_t, 2>;

// What a stream is drawn for stands in the top byte of the counter's last word.
constexpr std::uint32_t kShuffleStream = 1u << 24;      ///< index: epoch
constexpr std::uint32_t kWeightStream = 2u << 24;       ///< index: layer
constexpr std::uint32_t kDropoutStream = 3u << 24;      ///< index: epoch; place: layer
constexpr std::uint32_t kStepDropoutStream = 4u << 24;  ///< index: step; place: layer
constexpr std::uint32_t kSplitStream = 5u << 24;

constexpr PhiloxKey philox_key(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

/// The ten rounds, in place: a counter becomes the four words that belong to it.
constexpr void philox_rounds(PhiloxKey key, std::uint32_t& x0, std::uint32_t& x1, std::uint32_t& x2,
                             std::uint32_t& x3) {
  auto [k0, k1] = key;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * x0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * x2;
    x0 = static_cast<std::uint32_t>(p1 >> 32) ^ x1 ^ k0;
    x1 = static_cast<std::uint32_t>(p1);
    x2 = static_cast<std::uint32_t>(p0 >> 32) ^ x3 ^ k1;
    x3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
}

constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, PhiloxKey key) {
  philox_rounds(key, counter[0], counter[1], counter[2], counter[3]);
  return counter;
}

constexpr std::size_t kPhiloxBatch = 16;

/// The words of kPhiloxBatch blocks, block after block; so many at once fill the vector registers.
inline void philox_batch(PhiloxKey key, const std::uint64_t (&blocks)[kPhiloxBatch],
                         std::uint32_t index, std::uint32_t purpose,
                         std::uint32_t (&words)[4 * kPhiloxBatch]) {
  for (std::size_t i = 0; i < kPhiloxBatch; ++i) {
    auto x0 = static_cast<std::uint32_t>(blocks[i]);
    auto x1 = static_cast<std::uint32_t>(blocks[i] >> 32);
    std::uint32_t x2 = index, x3 = purpose;
    philox_rounds(key, x0, x1, x2, x3);
    words[4 * i] = x0;
    words[4 * i + 1] = x1;
    words[4 * i + 2] = x2;
    words[4 * i + 3] = x3;
  }
}

/// The words of one stream, in order.
class PhiloxStream {
 public:
  PhiloxStream(std::uint64_t seed, std::uint32_t index, std::uint32_t purpose)
      : key_(philox_key(seed)), index_(index), purpose_(purpose) {}

  std::uint32_t next32() {
    if (place_ == kWords) refill();
    return words_[place_++];
  }

  /// Two words, the low one first.
  std::uint64_t next64() {
    const std::uint64_t low = next32();
    return std::uint64_t{next32()} << 32 | low;
  }

 private:
  static constexpr std::size_t kWords = 4 * kPhiloxBatch;

  void refill() {
    std::uint64_t blocks[kPhiloxBatch];
    for (std::uint64_t& block : blocks) block = next_block_++;
    philox_batch(key_, blocks, index_, purpose_, words_);
    place_ = 0;
  }

  PhiloxKey key_;
  std::uint32_t index_;
  std::uint32_t purpose_;
  std::uint64_t next_block_ = 0;
  std::size_t place_ = kWords;
  std::uint32_t words_[kWords];
};

}  // namespace descend::core
