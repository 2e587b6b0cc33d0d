// Values as the texts of a file's metadata: what is written comes back to the bit.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "descend/learning_rate.hpp"

namespace descend::network {

using Metadata = std::map<std::string, std::string>;

constexpr const char* kFunctionRate = "function";

/// The shortest text that reads back as this number; inf, -inf or nan.
std::string text_of(double number);
std::string text_of(bool flag);
std::string text_of(const std::vector<double>& numbers);
/// A number, or the schedule's kind and its parameters: `cosine initial=0.1 steps=1000 final=0`.
/// A function's text is kFunctionRate, which cannot be read.
std::string text_of(const LearningRate& learning_rate);

template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
std::string text_of(Integer number) {
  return std::to_string(number);
}

template <class T>
std::string text_of(const std::optional<T>& value) {
  return value ? text_of(*value) : "none";
}

/// Reads the whole text into the value. Returns whether that is what it holds.
bool read_text(const std::string& text, double& number);
bool read_text(const std::string& text, bool& flag);
bool read_text(const std::string& text, std::vector<double>& numbers);
/// Throws std::invalid_argument for a schedule that does not exist.
bool read_text(const std::string& text, LearningRate& learning_rate);

template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
bool read_text(const std::string& text, Integer& number) {
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  return error == std::errc{} && end == last;
}

template <class T>
bool read_text(const std::string& text, std::optional<T>& value) {
  value.reset();
  return text == "none" || read_text(text, value.emplace());
}

/// What a text of this type should be.
template <class T>
std::string expected_text(T*) {
  if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_integral_v<T>) {
    return core::text("a whole number from ", std::numeric_limits<T>::min(), " to ",
                      std::numeric_limits<T>::max());
  } else {
    return "a number";
  }
}
inline std::string expected_text(std::vector<double>*) { return "numbers, a blank between two"; }
inline std::string expected_text(LearningRate*) { return "a number or a schedule"; }
template <class T>
std::string expected_text(std::optional<T>*) {
  return expected_text(static_cast<T*>(nullptr)) + ", or none";
}

/// The text under `key`, which it removes. Throws std::invalid_argument where there is none.
std::string take(Metadata& metadata, const std::string& key);

/// The value under `key`, which it removes. Throws std::invalid_argument.
template <class T>
T take_as(Metadata& metadata, const std::string& key, T value = T{}) {
  const std::string text = take(metadata, key);
  if (!read_text(text, value)) {
    throw core::invalid("the metadata's ", key, " is ", core::quoted(text), "; expected ",
                        expected_text(static_cast<T*>(nullptr)), ".");
  }
  return value;
}

}  // namespace descend::network
