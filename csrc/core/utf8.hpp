// Text from outside: what is well-formed UTF-8, and how error messages show it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace descend::core {

/// Bytes of the well-formed UTF-8 character that `text` begins with (RFC 3629); 0 where there is
/// none.
std::size_t utf8_length(std::string_view text);

/// 'text' in quotes: control characters and what is not UTF-8 as question marks, cut where long.
std::string quoted(std::string_view text);

}  // namespace descend::core
