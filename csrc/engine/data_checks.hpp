// Checks of data at the public boundary; messages begin with `where`, the function called. They
// read the data where they stand, a part at a time, and convert at most a few KiB of them at once.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <vector>

#include "core/interrupt_poll.hpp"
#include "descend/class_weight.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"

namespace descend::engine {

/// How checks go on. Asked by `interrupt` to end, they throw core::Interrupted.
struct CheckOptions {
  int threads = 1;                           ///< 0: as many as the work is worth
  core::InterruptPoll* interrupt = nullptr;  ///< null: asks nobody
  bool reads_inputs = true;                  ///< false: they were found finite before
};

/// Throws std::invalid_argument unless `targets` are `rows` rows that `loss` takes for `outputs`
/// outputs: of the right shape, finite as `dtype` and in the loss's range.
void check_targets(const char* where, const Targets& targets, Loss loss, std::size_t rows,
                   std::size_t outputs, DType dtype, const CheckOptions& options);

/// The weights as double, scaled by a power of two so that the largest is in [1/2, 1); empty where
/// none are given. Throws std::invalid_argument unless they are `rows` finite numbers of at least
/// 0, not all 0.
std::vector<double> checked_weights(const char* where, ConstVectorView weights, std::size_t rows);

/// Weights of rows.
struct RowWeights {
  std::vector<double> values;  ///< the largest in [1/2, 1); empty: all 1
  double unit = 1.0;           ///< what they are given in, a power of two
};

/// The sample weights, times those of the rows' classes. Throws std::invalid_argument as
/// checked_weights does, where all products are 0, and where there are class weights but `targets`,
/// which are checked, are no class indices, nor 0 and 1 in one column.
RowWeights row_weights(const char* where, ConstVectorView sample_weight,
                       const ClassWeight& class_weight, const Targets& targets);

/// Throws std::invalid_argument unless every element of `matrix` is finite, also as `dtype`.
/// `what` is the matrix's name. Integers are, and are not read.
void check_finite(const char* where, const char* what, const ConstMatrixView& matrix, DType dtype,
                  const CheckOptions& options);

/// A number and where it stands.
struct Element {
  std::size_t row;
  std::size_t column;
  double value;
};

/// The first element, row after row, that is not finite, also as `dtype`.
std::optional<Element> first_not_finite(const ConstMatrixView& matrix, DType dtype,
                                        const CheckOptions& options);

/// What check_finite throws of it.
std::invalid_argument not_finite(const char* where, const char* what, const Element& element);

}  // namespace descend::engine
