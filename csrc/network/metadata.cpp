#include "network/metadata.hpp"

#include <cmath>
#include <locale>
#include <sstream>

namespace descend::network {

// Streams with the classic locale, since std::from_chars for double is missing from older
// standard libraries.
std::string text_of(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  for (int digits = 15;; ++digits) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out.precision(digits);
    out << number;
    double read = 0.0;
    if (digits == std::numeric_limits<double>::max_digits10 ||
        (read_text(out.str(), read) && read == number)) {
      return out.str();
    }
  }
}

std::string text_of(bool flag) { return flag ? "true" : "false"; }

std::string text_of(const std::vector<double>& numbers) {
  std::string text;
  for (const double number : numbers) text += (text.empty() ? "" : " ") + text_of(number);
  return text;
}

std::string text_of(const LearningRate& learning_rate) {
  if (const std::optional<double> rate = learning_rate.constant()) return text_of(*rate);
  if (learning_rate.function() != nullptr) return kFunctionRate;
  const LearningRateDescription description = learning_rate.description();
  std::string text = description.kind;
  for (const auto& [name, value] : description.parameters) {
    text += " " + name + "=" + text_of(value);
  }
  return text;
}

bool read_text(const std::string& text, double& number) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "nan" || text == "inf" || text == "-inf") {
    number = text == "nan" ? std::numeric_limits<double>::quiet_NaN()
                           : (text == "inf" ? kInfinity : -kInfinity);
    return true;
  }
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  in >> std::noskipws >> number;
  // Some libraries call a subnormal number an error, and give it all the same.
  const bool is_read = !in.fail() || (number != 0.0 && std::abs(number) < 1e-300);
  in.clear();
  return is_read && in.peek() == std::istringstream::traits_type::eof();
}

bool read_text(const std::string& text, bool& flag) {
  flag = text == "true";
  return flag || text == "false";
}

bool read_text(const std::string& text, std::vector<double>& numbers) {
  numbers.clear();
  std::istringstream words(text);
  words.imbue(std::locale::classic());
  for (std::string word; std::getline(words, word, ' ');) {
    if (!read_text(word, numbers.emplace_back())) return false;
  }
  return true;
}

bool read_text(const std::string& text, LearningRate& learning_rate) {
  double rate = 0.0;
  if (read_text(text, rate)) {
    learning_rate = rate;
    return true;
  }
  std::istringstream words(text);
  words.imbue(std::locale::classic());
  LearningRateDescription description;
  std::getline(words, description.kind, ' ');
  for (std::string word; std::getline(words, word, ' ');) {
    const std::size_t equals = word.find('=');
    double value = 0.0;
    if (equals == std::string::npos || !read_text(word.substr(equals + 1), value)) return false;
    description.parameters.emplace_back(word.substr(0, equals), value);
  }
  learning_rate = LearningRate::from(description);
  return true;
}

std::string take(Metadata& metadata, const std::string& key) {
  const auto node = metadata.extract(key);
  if (node.empty()) {
    throw core::invalid("the metadata has no '", key,
                        "'; expected a file that descend has written.");
  }
  return node.mapped();
}

}  // namespace descend::network
