// The order in which rows are visited: drawn for an epoch or a split, or the caller's.
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

/// Throws std::invalid_argument, beginning with `where`, where an index is not below `rows`.
void check_order(const char* where, const std::vector<std::size_t>& order, std::size_t rows);

}  // namespace descend::trainer
