#include "core/checks.hpp"

#include <cstddef>
#include <limits>

namespace descend::core {

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

std::size_t checked_product(std::size_t a, std::size_t b, const char* where) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) {
    throw invalid(where, ": a size of ", a, " x ", b, " is more than this machine can address.");
  }
  return a * b;
}

std::size_t checked_sum(std::size_t a, std::size_t b, const char* where) {
  if (a > std::numeric_limits<std::size_t>::max() - b) {
    throw invalid(where, ": a size of ", a, " + ", b, " is more than this machine can address.");
  }
  return a + b;
}

}  // namespace descend::core
