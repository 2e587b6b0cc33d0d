// Rows in random order: of an epoch, and of a split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/philox.hpp"

namespace descend::trainer {

/// Fills `order` with a uniformly drawn permutation of 0 .. rows - 1, a function of (rows, seed,
/// epoch) alone. Throws std::invalid_argument above 2^32 - 1 rows.
void shuffle(std::size_t rows, std::uint64_t seed, std::uint64_t epoch,
             std::vector<std::size_t>& order);

/// The same from the words of a stream. Messages begin with `where`.
void shuffle(const char* where, std::size_t rows, core::PhiloxStream& stream,
             std::vector<std::size_t>& order);

}  // namespace descend::trainer
