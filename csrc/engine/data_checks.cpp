#include "engine/data_checks.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "core/checks.hpp"
#include "core/thread_team.hpp"
#include "engine/check_parts.hpp"
#include "engine/examples.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

using core::invalid;

// Parts that a second thread is worth: one alone reads them in a few milliseconds.
constexpr std::size_t kPartsPerThread = 64;
// Elements that are converted at a time.
constexpr std::size_t kConverted = 1024;

std::size_t row_bytes(const ConstMatrixView& matrix) {
  return matrix.columns() * element_size(matrix.element_type());
}

// Calls visit(row, column, value) for every element of rows [begin, end), row after row.
template <class Visit>
void for_each_value(const ConstMatrixView& matrix, std::size_t begin, std::size_t end,
                    const Visit& visit) {
  const auto& kernels = kernels::kernels_of<double>(kernels::kernel_table());
  const std::size_t width = std::min(matrix.columns(), kConverted);
  const std::size_t ld = kernels::padded<double>(width);
  double values[kConverted];
  for (std::size_t row = begin; row < end; row += kConverted / ld) {
    const std::size_t rows = std::min(kConverted / ld, end - row);
    for (std::size_t column = 0; column < matrix.columns(); column += width) {
      const std::size_t columns = std::min(width, matrix.columns() - column);
      const auto* const from = static_cast<const unsigned char*>(matrix.row(row)) +
                               column * element_size(matrix.element_type());
      kernels.gather_rows({rows, columns, from, matrix.element_type(), matrix.row_stride(), nullptr,
                           0, values, ld});
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < columns; ++j) visit(row + i, column + j, values[i * ld + j]);
      }
    }
  }
}

// Whether `count` adjacent elements are finite as T.
template <class T>
bool elements_finite(const void* elements, ElementType type, std::size_t count) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  if (type == element_type_of<T>()) {
    return kernels.all_finite(count, static_cast<const T*>(elements));
  }
  T converted[kConverted];
  for (std::size_t i = 0; i < count; i += kConverted) {
    const std::size_t size = std::min(kConverted, count - i);
    const auto* const from = static_cast<const unsigned char*>(elements) + i * element_size(type);
    kernels.gather_rows({1, size, from, type, size, nullptr, 0, converted, kConverted});
    if (!kernels.all_finite(size, converted)) return false;
  }
  return true;
}

template <class T>
bool rows_finite(const ConstMatrixView& matrix, std::size_t begin, std::size_t end) {
  const ElementType type = matrix.element_type();
  if (matrix.row_stride() == matrix.columns()) {
    return elements_finite<T>(matrix.row(begin), type, (end - begin) * matrix.columns());
  }
  for (std::size_t row = begin; row < end; ++row) {
    if (!elements_finite<T>(matrix.row(row), type, matrix.columns())) return false;
  }
  return true;
}

// The first rows that are not all finite as `dtype`, sought by several threads where that pays; no
// rows where there are none.
core::Share first_part_not_finite(const ConstMatrixView& matrix, DType dtype,
                                  const CheckOptions& options) {
  const bool as_double = dtype == DType::float64 && matrix.element_type() == ElementType::float64;
  const std::size_t rows = part_rows(row_bytes(matrix));
  const std::size_t parts = (matrix.rows() + rows - 1) / rows;
  const auto part_of = [&](std::size_t part) {
    return core::Share{part * rows, std::min((part + 1) * rows, matrix.rows())};
  };
  const double flops =
      2.0 * static_cast<double>(matrix.rows()) * static_cast<double>(matrix.columns());
  const std::size_t worth = std::min<std::size_t>(parts / kPartsPerThread + 1, core::kMostThreads);
  const int workers = std::min(static_cast<int>(worth), core::team_size(options.threads, flops));

  // Parts are taken in their order: all before one that is found bad are looked at too.
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> first{parts};
  std::atomic<bool> interrupted{false};
  core::run_team(workers, [&](const core::Worker& worker) {
    while (first == parts && !interrupted) {
      const std::size_t taken = next++;
      if (taken >= parts) break;
      const core::Share part = part_of(taken);
      const bool finite = as_double ? rows_finite<double>(matrix, part.begin, part.end)
                                    : rows_finite<float>(matrix, part.begin, part.end);
      std::size_t lowest = first;
      while (!finite && taken < lowest && !first.compare_exchange_weak(lowest, taken)) {
      }
      if (worker.index == 0 && asked_to_end(options)) interrupted = true;
    }
  });
  if (interrupted) options.interrupt->end();
  return first < parts ? part_of(first) : core::Share{0, 0};
}

void check_labels(const char* where, const LabelView& labels, std::size_t outputs,
                  const CheckOptions& options) {
  if (is_floating(labels.element_type())) {
    throw invalid(where, ": the labels are ", name(labels.element_type()),
                  ", expected integers as class indices.");
  }
  const std::size_t bytes = element_size(labels.element_type());
  for_each_part(labels.size(), bytes, options, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const std::int64_t label = labels[row];
      if (label >= 0 && static_cast<std::uint64_t>(label) < outputs) continue;
      throw invalid(where, ": y has class ", label, " at row ", row, ", but the network has ",
                    outputs, " outputs: classes are 0 to ", outputs - 1, ".");
    }
  });
}

void check_range(const char* where, const ConstMatrixView& values, Loss loss,
                 const CheckOptions& options) {
  const TargetKind kind = target_kind(loss);
  const double highest = kind == TargetKind::counts ? std::numeric_limits<double>::max() : 1.0;
  const auto check_value = [&](std::size_t row, std::size_t column, double value) {
    if (value >= 0.0 && value <= highest) return;
    throw invalid(where, ": y is ", value, " at row ", row, ", column ", column, ", but ",
                  name(loss), " takes ",
                  kind == TargetKind::counts ? "values of at least 0." : "values in [0, 1].");
  };
  constexpr double kTolerance = 1e-3;
  double sum = 0.0;
  const auto check_sum = [&](std::size_t row, std::size_t column, double value) {
    sum = column == 0 ? value : sum + value;
    if (column + 1 < values.columns() || std::abs(sum - 1.0) <= kTolerance) return;
    throw invalid(where, ": row ", row, " of y sums to ", sum,
                  ", but softmax_cross_entropy takes class indices of shape (rows,) or rows of "
                  "probabilities that sum to 1; for several labels a row use "
                  "sigmoid_cross_entropy.");
  };
  for_each_part(values.rows(), row_bytes(values), options, [&](std::size_t begin, std::size_t end) {
    for_each_value(values, begin, end, check_value);
    if (kind == TargetKind::labels) for_each_value(values, begin, end, check_sum);
  });
}

std::vector<double> checked_sample_weights(const char* where, ConstVectorView weights,
                                           std::size_t rows) {
  if (weights.size() != rows) {
    throw invalid(where, ": sample_weight has ", weights.size(), " values, but X has ", rows,
                  " rows; give one weight a row.");
  }
  std::vector<double> checked(rows);
  double largest = 0.0;
  for (std::size_t row = 0; row < rows; ++row) {
    const double weight = weights.dtype() == DType::float32
                              ? static_cast<const float*>(weights.data())[row]
                              : static_cast<const double*>(weights.data())[row];
    if (!(weight >= 0.0) || !std::isfinite(weight)) {
      throw invalid(where, ": sample_weight is ", weight, " at row ", row,
                    ", expected finite numbers of at least 0.");
    }
    checked[row] = weight;
    largest = std::max(largest, weight);
  }
  if (largest == 0.0) {
    throw invalid(where, ": every value of sample_weight is 0, expected a sum above 0.");
  }
  return checked;
}

// Brings the largest into [1/2, 1). J does not depend on the scale; a power of two changes no bit
// of it, and keeps sums and products from overflowing and the weights from counting as subnormal.
void scale(RowWeights& weights) {
  int exponent = 0;
  std::frexp(*std::max_element(weights.values.begin(), weights.values.end()), &exponent);
  for (double& weight : weights.values) weight = std::ldexp(weight, -exponent);
  weights.unit *= std::ldexp(1.0, exponent);
}

// The class of each row, of so many outputs.
std::vector<std::uint32_t> classes_of(const char* where, const Targets& targets,
                                      std::size_t outputs) {
  std::vector<std::uint32_t> classes(targets.rows());
  if (targets.are_labels()) {
    for (std::size_t row = 0; row < classes.size(); ++row) {
      const std::int64_t label = targets.labels()[row];
      if (!is_class(label, outputs)) {
        throw invalid(where, ": y became ", label, " at row ", row, " while it was read, expected ",
                      "data that do not change during the call.");
      }
      classes[row] = static_cast<std::uint32_t>(label);
    }
    return classes;
  }
  if (targets.values().columns() != 1) {
    throw invalid(where, ": class_weight takes class indices of shape (", targets.rows(),
                  ",), but y is rows of probabilities.");
  }
  for_each_value(targets.values(), 0, classes.size(),
                 [&](std::size_t row, std::size_t, double value) {
                   if (value != 0.0 && value != 1.0) {
                     throw invalid(where, ": y is ", value, " at row ", row,
                                   ", but class_weight takes targets of 0 and 1.");
                   }
                   classes[row] = value == 1.0 ? 1 : 0;
                 });
  return classes;
}

// n / (k n_c) of each class; 0 of those that do not occur.
std::vector<double> balanced_weights(const std::vector<std::uint32_t>& classes) {
  std::vector<double> weights(*std::max_element(classes.begin(), classes.end()) + std::size_t{1});
  for (const std::uint32_t label : classes) weights[label] += 1.0;
  double occurring = 0.0;
  for (const double count : weights) occurring += count > 0.0 ? 1.0 : 0.0;
  for (double& weight : weights) {
    if (weight > 0.0) weight = static_cast<double>(classes.size()) / (occurring * weight);
  }
  return weights;
}

}  // namespace

std::optional<Element> first_not_finite(const ConstMatrixView& matrix, DType dtype,
                                        const CheckOptions& options) {
  if (!is_floating(matrix.element_type())) return std::nullopt;
  std::optional<Element> found;
  const core::Share part = first_part_not_finite(matrix, dtype, options);
  for_each_value(
      matrix, part.begin, part.end, [&](std::size_t row, std::size_t column, double value) {
        const bool narrows = dtype == DType::float32;
        const bool finite =
            std::isfinite(narrows ? static_cast<double>(static_cast<float>(value)) : value);
        if (!finite && !found) found = Element{row, column, value};
      });
  return found;
}

std::invalid_argument not_finite(const char* where, const char* what, const Element& element) {
  return invalid(where, ": ", what, " is ", element.value, " at row ", element.row, ", column ",
                 element.column, ", expected finite numbers",
                 std::isfinite(element.value) ? " within the range of float32." : ".");
}

void check_finite(const char* where, const char* what, const ConstMatrixView& matrix, DType dtype,
                  const CheckOptions& options) {
  const std::optional<Element> element = first_not_finite(matrix, dtype, options);
  if (element) throw not_finite(where, what, *element);
}

void check_targets(const char* where, const Targets& targets, Loss loss, std::size_t rows,
                   std::size_t outputs, DType dtype, const CheckOptions& options) {
  if (targets.rows() != rows) {
    throw invalid(where, ": y has ", targets.rows(), " rows, but X has ", rows,
                  "; they must be as many.");
  }
  if (targets.are_labels()) {
    if (target_kind(loss) != TargetKind::labels) {
      throw invalid(where, ": y is class indices, but ", name(loss),
                    " takes real targets of shape (", rows, ", ", outputs, ").");
    }
    check_labels(where, targets.labels(), outputs, options);
    return;
  }
  const ConstMatrixView& values = targets.values();
  if (values.columns() != outputs) {
    throw invalid(where, ": y has shape (", rows, ", ", values.columns(), "), but the network has ",
                  outputs, " outputs: expected shape (", rows, ", ", outputs,
                  target_kind(loss) == TargetKind::labels ? ") or class indices (" : ")",
                  target_kind(loss) == TargetKind::labels ? std::to_string(rows) + ",)" : "", ".");
  }
  check_finite(where, "y", values, dtype, options);
  if (target_kind(loss) != TargetKind::any) check_range(where, values, loss, options);
}

std::vector<double> checked_weights(const char* where, ConstVectorView weights, std::size_t rows) {
  if (!weights.given()) return {};
  RowWeights checked{checked_sample_weights(where, weights, rows), 1.0};
  scale(checked);
  return std::move(checked.values);
}

RowWeights row_weights(const char* where, ConstVectorView sample_weight,
                       const ClassWeight& class_weight, const Targets& targets,
                       std::size_t outputs) {
  const std::size_t rows = targets.rows();
  RowWeights weights;
  if (sample_weight.given()) {
    weights.values = checked_sample_weights(where, sample_weight, rows);
    scale(weights);
  }
  if (!class_weight.any()) return weights;
  const std::vector<std::uint32_t> classes = classes_of(where, targets, outputs);
  RowWeights factors{class_weight.balanced ? balanced_weights(classes) : class_weight.weights, 1.0};
  scale(factors);
  if (weights.values.empty()) weights.values.assign(rows, 1.0);
  for (std::size_t row = 0; row < rows; ++row) {
    weights.values[row] *= factors.values[classes[row]];
  }
  if (*std::max_element(weights.values.begin(), weights.values.end()) == 0.0) {
    throw invalid(where, ": the weight of every row, with that of its class, is 0; expected a sum ",
                  "above 0.");
  }
  scale(weights);
  weights.unit *= factors.unit;
  return weights;
}

}  // namespace descend::engine
