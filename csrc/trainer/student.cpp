#include "trainer/student.hpp"

#include <cmath>
#include <limits>

namespace descend::trainer {

namespace {

// P(|t| <= sqrt(degrees) tan angle): Abramowitz & Stegun (1964), 26.7.3 and 26.7.4.
double central_part(double angle, int degrees) {
  const double pi = std::acos(-1.0), cosine = std::cos(angle);
  const bool is_odd = degrees % 2 == 1;
  double term = is_odd ? cosine : 1.0, sum = degrees == 1 ? 0.0 : term;
  for (int k = is_odd ? 2 : 1; k + 2 <= degrees; k += 2) {
    term *= cosine * cosine * k / (k + 1);
    sum += term;
  }
  sum *= std::sin(angle);
  return is_odd ? 2.0 / pi * (angle + sum) : sum;
}

}  // namespace

double student_quantile(double probability, int degrees_of_freedom) {
  if (degrees_of_freedom == 0) return std::numeric_limits<double>::infinity();
  double low = 0.0, high = std::acos(-1.0) / 2.0;
  for (double middle = high / 2.0; low < middle && middle < high; middle = (low + high) / 2.0) {
    (central_part(middle, degrees_of_freedom) < 2.0 * probability - 1.0 ? low : high) = middle;
  }
  return std::sqrt(static_cast<double>(degrees_of_freedom)) * std::tan(low);
}

}  // namespace descend::trainer
