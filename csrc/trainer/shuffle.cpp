#include "trainer/shuffle.hpp"

#include <limits>
#include <numeric>
#include <utility>

#include "core/checks.hpp"
#include "core/philox.hpp"

namespace descend::trainer {

namespace {

/// Uniform in 0 .. bound - 1, without bias and nearly always without a division: Lemire (2019).
std::uint32_t bounded(core::PhiloxStream& stream, std::uint32_t bound) {
  std::uint64_t product = std::uint64_t{stream.next32()} * bound;
  if (static_cast<std::uint32_t>(product) < bound) {
    const std::uint32_t threshold = (0u - bound) % bound;  // 2^32 mod bound
    while (static_cast<std::uint32_t>(product) < threshold) {
      product = std::uint64_t{stream.next32()} * bound;
    }
  }
  return static_cast<std::uint32_t>(product >> 32);
}

}  // namespace

// The algorithm of Fisher & Yates, in the form of Durstenfeld (1964).
void shuffle(const char* where, std::size_t rows, core::PhiloxStream& stream,
             std::vector<std::size_t>& order) {
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    throw core::invalid(where, ": cannot shuffle ", rows, " rows; expected at most ",
                        std::numeric_limits<std::uint32_t>::max(),
                        ". Take fewer at a time, or leave them in their order.");
  }
  order.resize(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = rows; i-- > 1;) {
    std::swap(order[i], order[bounded(stream, static_cast<std::uint32_t>(i + 1))]);
  }
}

void shuffle(std::size_t rows, std::uint64_t seed, std::uint64_t epoch,
             std::vector<std::size_t>& order) {
  core::PhiloxStream stream(seed, static_cast<std::uint32_t>(epoch), core::kShuffleStream);
  shuffle("Trainer", rows, stream, order);
}

void check_order(const char* where, const std::vector<std::size_t>& order, std::size_t rows) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i] < rows) continue;
    throw core::invalid(where, ": order has row index ", order[i], " at place ", i, ", but X has ",
                        rows, " rows: indices are 0 to ", rows - 1, ".");
  }
}

}  // namespace descend::trainer
