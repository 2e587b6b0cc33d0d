// Rows drawn apart for training and testing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace descend {

/// The rows of a data set in two parts, each in random order.
struct Split {
  std::vector<std::size_t> train;
  std::vector<std::size_t> test;
};

/// Draws `test_rows` of `rows` rows for the test, each set of them equally likely, keyed by `seed`.
///
/// `classes` is empty or holds a class 0, 1, ... for each row: then each class has its share of the
/// test's rows, test_rows times its share of all rows, rounded by largest remainders (of equal
/// ones, the lower class), and a class of few rows may have none. Throws std::invalid_argument
/// where a part would be empty, where classes are not as many as rows, or above 2^32 - 1 rows.
Split train_test_split(std::size_t rows, std::size_t test_rows, std::uint64_t seed = 0,
                       const std::vector<std::size_t>& classes = {});

/// Draws `folds` splits, from 2 to `rows`, so that each row is in the test of one. The tests'
/// sizes differ by one at most, and with `classes` so do their numbers of rows of each class.
/// Throws as train_test_split does.
std::vector<Split> k_fold(std::size_t rows, std::size_t folds, std::uint64_t seed = 0,
                          const std::vector<std::size_t>& classes = {});

}  // namespace descend
