#include "network/json_reader.hpp"

#include <algorithm>
#include <charconv>

namespace descend::network {

namespace {

void append_utf8(std::string& out, unsigned code_point) {
  const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  const auto put_tail = [&](int shift) { put(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put_tail(0);
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put_tail(6);
    put_tail(0);
  } else {
    put(0xF0 | code_point >> 18);
    put_tail(12);
    put_tail(6);
    put_tail(0);
  }
}

}  // namespace

void JsonReader::fail(const std::string& expected) const {
  throw core::invalid("byte ", place_, " of the header is ",
                      place_ < text_.size() ? core::quoted(text_.substr(place_, 1)) : "its end",
                      "; expected ", expected, ".");
}

void JsonReader::skip_blanks() {
  place_ = std::min(text_.find_first_not_of(" \t\r\n", place_), text_.size());
}

bool JsonReader::consume(char character) {
  skip_blanks();
  if (place_ == text_.size() || text_[place_] != character) return false;
  ++place_;
  return true;
}

void JsonReader::expect(char character) {
  if (!consume(character)) fail(core::quoted({&character, 1}));
}

char JsonReader::next_character() {
  if (place_ == text_.size()) fail("the rest of a string");
  return text_[place_++];
}

std::string JsonReader::string() {
  std::string out;
  expect('"');
  while (true) {
    const std::size_t length = core::utf8_length(text_.substr(place_));
    if (length == 0 || static_cast<unsigned char>(text_[place_]) < 0x20) {
      fail("a string of UTF-8 without control characters, closed by '\"'");
    }
    const char character = text_[place_];
    if (character == '"') {
      ++place_;
      return out;
    }
    if (character == '\\') {
      ++place_;
      append_escape(out);
    } else {
      out += text_.substr(place_, length);
      place_ += length;
    }
  }
}

void JsonReader::append_escape(std::string& out) {
  constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const char escape = next_character();
  if (const std::size_t which = kEscapes.find(escape); which != std::string_view::npos) {
    out += kMeanings[which];
    return;
  }
  if (escape != 'u') fail("one of the escapes of JSON before this byte");
  unsigned code_point = code_unit();
  if (code_point >= 0xDC00 && code_point < 0xE000) fail("a high surrogate before this byte");
  if (code_point >= 0xD800 && code_point < 0xDC00) {
    const bool follows = next_character() == '\\' && next_character() == 'u';
    const unsigned low = follows ? code_unit() : 0;
    if (low < 0xDC00 || low >= 0xE000) fail("a low surrogate before this byte");
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, code_point);
}

unsigned JsonReader::code_unit() {
  const std::string_view digits = text_.substr(place_, 4);
  unsigned unit = 0;
  const char* last = digits.data() + digits.size();
  if (digits.size() < 4 || std::from_chars(digits.data(), last, unit, 16).ptr != last) {
    fail("four hexadecimal digits");
  }
  place_ += 4;
  return unit;
}

std::size_t JsonReader::unsigned_integer() {
  skip_blanks();
  const char* first = text_.data() + place_;
  const char* last = text_.data() + text_.size();
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(first, last, number);
  if (error != std::errc{}) fail("an unsigned integer that this machine can address");
  if (*first == '0' && end - first > 1) fail("an integer without leading zeros");
  place_ += static_cast<std::size_t>(end - first);
  return number;
}

void JsonReader::end() {
  skip_blanks();
  if (place_ < text_.size()) fail("the end of the header");
}

}  // namespace descend::network
