#include "engine/data_checks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "core/checks.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

using core::invalid;

// Calls visit(row, column, value) for every element until it returns false.
template <class Visit>
void for_each_value(const ConstMatrixView& matrix, const Visit& visit) {
  for (std::size_t row = 0; row < matrix.rows(); ++row) {
    const std::size_t begin = row * matrix.row_stride();
    for (std::size_t column = 0; column < matrix.columns(); ++column) {
      const double value = matrix.dtype() == DType::float32
                               ? static_cast<const float*>(matrix.data())[begin + column]
                               : static_cast<const double*>(matrix.data())[begin + column];
      visit(row, column, value);
    }
  }
}

template <class T>
bool rows_finite(const ConstMatrixView& matrix) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const T* data = static_cast<const T*>(matrix.data());
  if (matrix.row_stride() == matrix.columns()) {
    return kernels.all_finite(matrix.rows() * matrix.columns(), data);
  }
  for (std::size_t row = 0; row < matrix.rows(); ++row) {
    if (!kernels.all_finite(matrix.columns(), data + row * matrix.row_stride())) return false;
  }
  return true;
}

void check_labels(const char* where, const LabelView& labels, std::size_t outputs) {
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const std::int64_t label = labels[row];
    if (label < 0 || static_cast<std::uint64_t>(label) >= outputs) {
      throw invalid(where, ": y has class ", label, " at row ", row, ", but the network has ",
                    outputs, " outputs: classes are 0 to ", outputs - 1, ".");
    }
  }
}

void check_range(const char* where, const ConstMatrixView& values, Loss loss) {
  const TargetKind kind = target_kind(loss);
  const double highest = kind == TargetKind::counts ? std::numeric_limits<double>::max() : 1.0;
  for_each_value(values, [&](std::size_t row, std::size_t column, double value) {
    if (value >= 0.0 && value <= highest) return;
    throw invalid(where, ": y is ", value, " at row ", row, ", column ", column, ", but ",
                  name(loss), " takes ",
                  kind == TargetKind::counts ? "values of at least 0." : "values in [0, 1].");
  });
  if (kind != TargetKind::labels) return;
  constexpr double kTolerance = 1e-3;
  double sum = 0.0;
  for_each_value(values, [&](std::size_t row, std::size_t column, double value) {
    sum = column == 0 ? value : sum + value;
    if (column + 1 < values.columns() || std::abs(sum - 1.0) <= kTolerance) return;
    throw invalid(where, ": row ", row, " of y sums to ", sum,
                  ", but softmax_cross_entropy takes class indices of shape (rows,) or rows of "
                  "probabilities that sum to 1; for several labels a row use "
                  "sigmoid_cross_entropy.");
  });
}

}  // namespace

void check_finite(const char* where, const char* what, const ConstMatrixView& matrix, DType dtype) {
  const bool narrows = matrix.dtype() == DType::float64 && dtype == DType::float32;
  if (!narrows) {
    const bool finite =
        matrix.dtype() == DType::float32 ? rows_finite<float>(matrix) : rows_finite<double>(matrix);
    if (finite) return;
  }
  for_each_value(matrix, [&](std::size_t row, std::size_t column, double value) {
    if (std::isfinite(value) && (!narrows || std::isfinite(static_cast<float>(value)))) return;
    throw invalid(where, ": ", what, " is ", value, " at row ", row, ", column ", column,
                  ", expected finite numbers",
                  std::isfinite(value) ? " within the range of float32." : ".");
  });
}

void check_targets(const char* where, const Targets& targets, Loss loss, std::size_t rows,
                   std::size_t outputs, DType dtype) {
  if (targets.rows() != rows) {
    throw invalid(where, ": y has ", targets.rows(), " rows, but X has ", rows,
                  "; they must be as many.");
  }
  if (targets.are_labels()) {
    if (target_kind(loss) != TargetKind::labels) {
      throw invalid(where, ": y is class indices, but ", name(loss),
                    " takes real targets of shape (", rows, ", ", outputs, ").");
    }
    check_labels(where, targets.labels(), outputs);
    return;
  }
  const ConstMatrixView& values = targets.values();
  if (values.columns() != outputs) {
    throw invalid(where, ": y has shape (", rows, ", ", values.columns(), "), but the network has ",
                  outputs, " outputs: expected shape (", rows, ", ", outputs,
                  target_kind(loss) == TargetKind::labels ? ") or class indices (" : ")",
                  target_kind(loss) == TargetKind::labels ? std::to_string(rows) + ",)" : "", ".");
  }
  check_finite(where, "y", values, dtype);
  if (target_kind(loss) != TargetKind::any) check_range(where, values, loss);
}

std::vector<double> checked_weights(const char* where, ConstVectorView weights, std::size_t rows) {
  if (!weights.given()) return {};
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
  // J does not depend on the scale; a power of two changes no bit of it, and keeps the sums from
  // overflowing and the weights from counting as subnormal.
  int exponent = 0;
  std::frexp(largest, &exponent);
  for (double& weight : checked) weight = std::ldexp(weight, -exponent);
  return checked;
}

}  // namespace descend::engine
