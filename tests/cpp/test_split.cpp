// Splits: rows apart, in random order.
#include <algorithm>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"

namespace ds = descend;

namespace {

using Rows = std::vector<std::size_t>;

// Whether the parts hold each of `rows` rows once.
bool are_apart(const ds::Split& split, std::size_t rows) {
  Rows all = split.train;
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::sort(all.begin(), all.end());
  for (std::size_t row = 0; row < all.size(); ++row) {
    if (all[row] != row) return false;
  }
  return all.size() == rows;
}

void test_train_test_split() {
  const ds::Split split = ds::train_test_split(100, 30, 7);
  CHECK(split.test.size() == 30);
  CHECK(are_apart(split, 100));
  CHECK(ds::train_test_split(100, 30, 7).test == split.test);
  CHECK(ds::train_test_split(100, 30, 8).test != split.test);
  const Rows classes = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  const Rows test = ds::train_test_split(12, 3, 0, classes).test;
  CHECK(std::count_if(test.begin(), test.end(), [](std::size_t row) { return row < 4; }) == 1);
  CHECK_THROWS(ds::train_test_split(4, 4), std::invalid_argument, "4 of 4 rows");
  CHECK_THROWS(ds::train_test_split(4, 2, 0, {0, 1}), std::invalid_argument, "2 rows");
  CHECK_THROWS(ds::train_test_split(4, 2, 0, {0, 1, 9, 0}), std::invalid_argument, "class 9");
}

void test_k_fold() {
  const std::vector<ds::Split> folds = ds::k_fold(10, 3);
  CHECK(folds.size() == 3);
  std::size_t tested = 0;
  for (const ds::Split& fold : folds) {
    CHECK(are_apart(fold, 10));
    tested += fold.test.size();
  }
  CHECK(tested == 10);
  CHECK_THROWS(ds::k_fold(3, 4), std::invalid_argument, "4 folds of 3 rows");
}

}  // namespace

int main() {
  test_train_test_split();
  test_k_fold();
  return check_result();
}
