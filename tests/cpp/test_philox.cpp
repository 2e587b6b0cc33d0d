// Philox4x32-10: the known answers of Random123, and the words of streams.
#include "core/philox.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

#include "check.hpp"

namespace core = descend::core;

namespace {

using Words = std::array<std::uint32_t, 4>;

constexpr std::uint32_t kOnes = 0xffffffff;

// kat_vectors of Random123 1.14.
static_assert(core::philox({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5, "philox works at compile time");

void test_the_known_answers_come_out() {
  CHECK(core::philox({0, 0, 0, 0}, {0, 0}) ==
        (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  CHECK(core::philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK(core::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

void test_the_key_is_the_seed_low_word_first() {
  CHECK(core::philox_key(0x299f31d0a4093822) == (core::PhiloxKey{0xa4093822, 0x299f31d0}));
}

void test_a_batch_holds_the_words_of_its_blocks() {
  const core::PhiloxKey key = core::philox_key(77);
  std::uint64_t blocks[core::kPhiloxBatch];
  for (std::size_t i = 0; i < core::kPhiloxBatch; ++i) blocks[i] = 0xfffffffe + i * i;
  std::uint32_t words[4 * core::kPhiloxBatch];
  core::philox_batch(key, blocks, 5, core::kDropoutStream, words);
  for (std::size_t i = 0; i < core::kPhiloxBatch; ++i) {
    const Words block = core::philox({static_cast<std::uint32_t>(blocks[i]),
                                      static_cast<std::uint32_t>(blocks[i] >> 32), 5, 3u << 24},
                                     key);
    for (std::size_t word = 0; word < 4; ++word) CHECK(words[4 * i + word] == block[word]);
  }
}

void test_a_stream_gives_the_words_of_consecutive_blocks() {
  core::PhiloxStream words(9, 3, core::kShuffleStream);
  core::PhiloxStream pairs(9, 3, core::kShuffleStream);
  for (std::uint32_t block = 0; block < 100; ++block) {
    const Words expected = core::philox({block, 0, 3, 1u << 24}, core::philox_key(9));
    for (std::size_t word = 0; word < 4; ++word) CHECK(words.next32() == expected[word]);
    for (std::size_t word = 0; word < 4; word += 2) {
      CHECK(pairs.next64() == (std::uint64_t{expected[word + 1]} << 32 | expected[word]));
    }
  }
}

}  // namespace

int main() {
  test_the_known_answers_come_out();
  test_the_key_is_the_seed_low_word_first();
  test_a_batch_holds_the_words_of_its_blocks();
  test_a_stream_gives_the_words_of_consecutive_blocks();
  return check_result();
}
