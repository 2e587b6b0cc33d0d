// Reads the JSON of a safetensors header: objects, arrays, strings and unsigned integers, in the
// order in which the caller expects them. Keeps no tree, so that no nesting can be too deep.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/checks.hpp"
#include "core/utf8.hpp"

namespace descend::network {

/// Every member throws std::invalid_argument where the text holds something else.
class JsonReader {
 public:
  /// `text` must outlive the reader.
  explicit JsonReader(std::string_view text) : text_(text) {}

  /// Calls on_member(key) for each member; it must read the member's value. Keys are unique.
  template <class OnMember>
  void object(const OnMember& on_member) {
    std::set<std::string> keys;
    expect('{');
    if (consume('}')) return;
    do {
      std::string key = string();
      expect(':');
      on_member(key);
      if (const auto [place, is_new] = keys.insert(std::move(key)); !is_new) {
        throw core::invalid("the header names ", core::quoted(*place), " twice.");
      }
    } while (consume(','));
    expect('}');
  }

  /// Calls on_element() for each element; it must read it.
  template <class OnElement>
  void array(const OnElement& on_element) {
    expect('[');
    if (consume(']')) return;
    do {
      on_element();
    } while (consume(','));
    expect(']');
  }

  /// In UTF-8, which is checked.
  std::string string();
  std::size_t unsigned_integer();
  /// Only blanks may be left.
  void end();

 private:
  [[noreturn]] void fail(const std::string& expected) const;
  void skip_blanks();
  /// Steps over blanks, and over `character` where it comes next.
  bool consume(char character);
  void expect(char character);
  char next_character();
  void append_escape(std::string& out);
  unsigned code_unit();

  std::string_view text_;
  std::size_t place_ = 0;
};

}  // namespace descend::network
