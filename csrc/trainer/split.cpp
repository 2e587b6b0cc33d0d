#include "descend/split.hpp"

#include <algorithm>
#include <numeric>

#include "core/checks.hpp"
#include "core/philox.hpp"
#include "trainer/shuffle.hpp"

namespace descend {

namespace {

using core::invalid;

// The class of each row, all the same where none are given, and how many rows each class has.
class Classes {
 public:
  Classes(const char* where, std::size_t rows, const std::vector<std::size_t>& classes)
      : classes_(classes), sizes_(1, rows) {
    if (classes.empty()) return;
    if (classes.size() != rows) {
      throw invalid(where, ": got the classes of ", classes.size(), " rows, but there are ", rows,
                    "; give one class a row.");
    }
    const std::size_t highest = *std::max_element(classes.begin(), classes.end());
    if (highest >= rows) {
      throw invalid(where, ": got class ", highest, " of ", rows,
                    " rows; number the classes 0, 1, ... without gaps.");
    }
    sizes_.assign(highest + 1, 0);
    for (const std::size_t c : classes) ++sizes_[c];
  }

  std::size_t of(std::size_t row) const { return classes_.empty() ? 0 : classes_[row]; }
  const std::vector<std::size_t>& sizes() const { return sizes_; }

 private:
  const std::vector<std::size_t>& classes_;
  std::vector<std::size_t> sizes_;
};

std::vector<std::size_t> random_order(const char* where, std::size_t rows, std::uint64_t seed) {
  std::vector<std::size_t> order;
  core::PhiloxStream stream(seed, 0, core::kSplitStream);
  trainer::shuffle(where, rows, stream, order);
  return order;
}

// `total` shared out in proportion to the sizes, whose sum is `rows`, by largest remainders.
std::vector<std::size_t> shares(std::size_t total, const std::vector<std::size_t>& sizes,
                                std::size_t rows) {
  std::vector<std::size_t> shares, by_remainder(sizes.size());
  std::size_t left = total;
  for (const std::size_t size : sizes) {
    shares.push_back(total * size / rows);  // below 2^64: there are fewer than 2^32 rows
    left -= shares.back();
  }
  std::iota(by_remainder.begin(), by_remainder.end(), std::size_t{0});
  std::stable_sort(by_remainder.begin(), by_remainder.end(), [&](std::size_t a, std::size_t b) {
    return total * sizes[a] % rows > total * sizes[b] % rows;
  });
  for (std::size_t i = 0; i < left; ++i) ++shares[by_remainder[i]];
  return shares;
}

}  // namespace

Split train_test_split(std::size_t rows, std::size_t test_rows, std::uint64_t seed,
                       const std::vector<std::size_t>& classes) {
  constexpr const char* kWhere = "train_test_split";
  if (rows < 2 || test_rows == 0 || test_rows >= rows) {
    throw invalid(kWhere, ": ", test_rows, " of ", rows,
                  " rows for the test would leave a part empty.");
  }
  const Classes of_rows(kWhere, rows, classes);
  const std::vector<std::size_t> order = random_order(kWhere, rows, seed);
  std::vector<std::size_t> left = shares(test_rows, of_rows.sizes(), rows);
  Split split;
  split.test.reserve(test_rows);
  split.train.reserve(rows - test_rows);
  for (const std::size_t row : order) {
    std::size_t& of_class = left[of_rows.of(row)];
    (of_class > 0 ? split.test : split.train).push_back(row);
    if (of_class > 0) --of_class;
  }
  return split;
}

std::vector<Split> k_fold(std::size_t rows, std::size_t folds, std::uint64_t seed,
                          const std::vector<std::size_t>& classes) {
  constexpr const char* kWhere = "k_fold";
  if (folds < 2 || folds > rows) {
    throw invalid(kWhere, ": cannot make ", folds, " folds of ", rows, " rows; expected 2 to ",
                  rows, ".");
  }
  const Classes of_rows(kWhere, rows, classes);
  const std::vector<std::size_t> order = random_order(kWhere, rows, seed);
  // Rows are dealt to the folds in turn, class after class.
  std::vector<std::size_t> next(of_rows.sizes().size()), fold(rows);
  std::partial_sum(of_rows.sizes().begin(), of_rows.sizes().end() - 1, next.begin() + 1);
  for (const std::size_t row : order) fold[row] = next[of_rows.of(row)]++ % folds;
  std::vector<Split> splits(folds);
  for (const std::size_t row : order) {
    for (std::size_t f = 0; f < folds; ++f) {
      (fold[row] == f ? splits[f].test : splits[f].train).push_back(row);
    }
  }
  return splits;
}

}  // namespace descend
