// Error text: an exception whose message is its parts, one after the other.
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace descend::core {

/// The parts one after the other, numbers in their plain form whatever the program's locale.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(17);
  (out << ... << parts);
  return out.str();
}

/// The exception for an argument that does not fit.
template <class... Parts>
std::invalid_argument invalid(const Parts&... parts) {
  return std::invalid_argument(text(parts...));
}

/// "a, b, c".
std::string listed(const std::vector<std::string>& names);

/// a * b; throws std::invalid_argument that begins with `where` where it does not fit.
std::size_t checked_product(std::size_t a, std::size_t b, const char* where);

/// a + b; throws std::invalid_argument that begins with `where` where it does not fit.
std::size_t checked_sum(std::size_t a, std::size_t b, const char* where);

}  // namespace descend::core
