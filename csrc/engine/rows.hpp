// Which rows of a data set are visited.
#pragma once

#include <cstddef>

namespace descend::engine {

/// `count` rows: row i is order[first + i], or first + i where order is null.
struct Rows {
  const std::size_t* order;
  std::size_t first;
  std::size_t count;

  std::size_t operator[](std::size_t i) const {
    return order == nullptr ? first + i : order[first + i];
  }
  Rows part(std::size_t begin, std::size_t end) const {
    return {order, first + begin, end - begin};
  }
};

}  // namespace descend::engine
