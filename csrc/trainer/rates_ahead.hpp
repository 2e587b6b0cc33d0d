// The learning rates of the steps to come, asked for before a team runs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>

#include "descend/learning_rate.hpp"

namespace descend::trainer {

class RatesAhead {
 public:
  /// Steps whose rates are held at a time.
  static constexpr std::size_t kMost = 1024;

  /// Of an epoch, from 1: a rate that counts epochs is asked for that once.
  RatesAhead(const LearningRate& learning_rate, std::size_t epoch)
      : learning_rate_(learning_rate), epoch_(epoch), same_(learning_rate.constant()) {}

  /// Whether take() has something to ask.
  bool asks() const { return !same_ && failure_ == nullptr; }

  /// Asks for the rates of up to `steps` steps from number `first` on. Returns how many there are:
  /// fewer where one fails, which failure() then has.
  std::size_t take(std::uint64_t first, std::size_t steps);

  /// The rate of the step `index` steps after the first one taken.
  double operator[](std::size_t index) const { return same_ ? *same_ : rates_[index]; }

  /// Why there is no rate behind those taken; null where there is.
  const std::exception_ptr& failure() const { return failure_; }

 private:
  const LearningRate& learning_rate_;
  std::size_t epoch_;
  std::optional<double> same_;  // of all steps
  std::exception_ptr failure_;
  double rates_[kMost];
};

}  // namespace descend::trainer
