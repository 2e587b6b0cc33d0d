// The shuffle: its definition word by word, and the laws of a fair permutation.
#include "trainer/shuffle.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "check.hpp"
#include "core/philox.hpp"

namespace core = descend::core;

namespace {

using Order = std::vector<std::size_t>;

Order shuffled(std::size_t rows, std::uint64_t seed, std::uint64_t epoch) {
  Order order;
  descend::trainer::shuffle(rows, seed, epoch, order);
  return order;
}

/// Fisher-Yates as it is defined, one word at a time.
Order reference(std::size_t rows, std::uint64_t seed, std::uint32_t epoch) {
  std::uint64_t place = 0;
  const auto next_word = [&] {
    const auto block = static_cast<std::uint32_t>(place / 4);
    return core::philox({block, 0, epoch, 1u << 24}, core::philox_key(seed))[place++ % 4];
  };
  Order order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = rows; i-- > 1;) {
    const std::uint64_t bound = i + 1, rejected = (std::uint64_t{1} << 32) % bound;
    std::uint64_t product = next_word() * bound;
    while ((product & 0xffffffff) < rejected) product = next_word() * bound;
    std::swap(order[i], order[product >> 32]);
  }
  return order;
}

// At 300000 rows some ten words fall where they may be rejected.
void test_the_order_is_the_defined_one() {
  for (const std::size_t rows : {0, 1, 2, 3, 16, 17, 63, 64, 65, 1000, 300000}) {
    CHECK(shuffled(rows, 0x123456789abcdef0, 4) == reference(rows, 0x123456789abcdef0, 4));
  }
}

void test_each_row_is_visited_once() {
  for (const std::size_t rows : {1, 2, 5, 100, 4097}) {
    Order order = shuffled(rows, 1, 2);
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < rows; ++i) CHECK(order[i] == i);
  }
}

void test_seed_and_epoch_decide_the_order() {
  CHECK(shuffled(100, 1, 2) == shuffled(100, 1, 2));
  CHECK(shuffled(100, 1, 2) != shuffled(100, 1, 3));
  CHECK(shuffled(100, 1, 2) != shuffled(100, 2, 2));
  CHECK(shuffled(100, 1, 2) != shuffled(100, 1 + (std::uint64_t{1} << 32), 2));
}

void test_an_order_that_is_given_is_overwritten() {
  Order order = {7, 7, 7};
  descend::trainer::shuffle(50, 1, 2, order);
  CHECK(order == shuffled(50, 1, 2));
  descend::trainer::shuffle(2, 1, 2, order);
  CHECK(order.size() == 2);
}

// Chi-square with 23 degrees of freedom: 65 is exceeded once in 150000 draws of seeds.
void test_all_permutations_are_equally_likely() {
  constexpr int kEpochs = 24000;
  std::map<Order, int> counts;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) ++counts[shuffled(4, 5, epoch)];
  CHECK(counts.size() == 24);
  double chi_square = 0.0;
  for (const auto& [order, count] : counts) {
    const double difference = count - kEpochs / 24.0;
    chi_square += difference * difference / (kEpochs / 24.0);
  }
  CHECK(chi_square < 65.0);
}

void test_too_many_rows_are_an_error() {
  CHECK_THROWS(shuffled(std::size_t{1} << 32, 0, 0), std::invalid_argument, "4294967296 rows");
}

}  // namespace

int main() {
  test_the_order_is_the_defined_one();
  test_each_row_is_visited_once();
  test_seed_and_epoch_decide_the_order();
  test_an_order_that_is_given_is_overwritten();
  test_all_permutations_are_equally_likely();
  test_too_many_rows_are_an_error();
  return check_result();
}
