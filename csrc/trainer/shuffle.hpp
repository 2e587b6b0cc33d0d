// The order in which an epoch visits the rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace descend::trainer {

/// Fills `order` with a uniformly drawn permutation of 0 .. rows - 1, a function of (rows, seed,
/// epoch) alone. Throws std::invalid_argument above 2^32 - 1 rows.
void shuffle(std::size_t rows, std::uint64_t seed, std::uint64_t epoch,
             std::vector<std::size_t>& order);

}  // namespace descend::trainer
