// The kernels of one instruction set, as plain function pointers over raw memory.
//   x (rows, inputs)  w (inputs, units)  b (units)  z = x w + b  a = f(z)  d_v = dJ/dv
// Matrices are row-major with `ld_` elements between row starts and zero-padded to whole groups,
// but for paneled ones (panels.hpp). Nothing here allocates, throws or starts threads.
// Every instruction set gives the same bits: each output element is one ascending chain of fused
// multiply-adds, and sums across lanes follow one fixed tree.
#pragma once

#include <cstddef>
#include <cstdint>

#include "descend/activation.hpp"
#include "descend/element_type.hpp"
#include "descend/loss.hpp"
#include "descend/optimizer.hpp"
#include "kernels/panels.hpp"

namespace descend::kernels {

#define DESCEND_COUNT_ROW(...) +1
constexpr int kActivationCount = 0 DESCEND_ACTIVATIONS(DESCEND_COUNT_ROW);
constexpr int kLossCount = 0 DESCEND_LOSSES(DESCEND_COUNT_ROW);
constexpr int kOptimizerCount = 0 DESCEND_OPTIMIZERS(DESCEND_COUNT_ROW);

/// Scalar functions by element, as the kernels compute them.
#define DESCEND_FUNCTIONS(ROW) \
  ROW(exp) ROW(expm1) ROW(log) ROW(log1p) ROW(tanh) ROW(sigmoid) ROW(normal_cdf)
#define DESCEND_ROW(name) name,
enum class Function { DESCEND_FUNCTIONS(DESCEND_ROW) };
#undef DESCEND_ROW
constexpr int kFunctionCount = 0 DESCEND_FUNCTIONS(DESCEND_COUNT_ROW);
#undef DESCEND_COUNT_ROW

/// What becomes of the sums that a product's result holds: new ones replace them, go on from them,
/// or are taken from 0 and then added to them.
enum class Sums { replace, go_on, add };

/// Bits of a word of what is not 0: rows that are found together, at most, and columns a word.
constexpr std::size_t kNonzeroBits = 64;

/// Which elements of `rows` rows of x, at most kNonzeroBits, are not 0. A row with more than `most`
/// of them counts as one without zeros.
template <class T>
struct FindNonzeros {
  std::size_t rows, columns, most;
  const T* x;
  std::size_t ld_x;
  std::uint64_t* of_rows;     ///< (rows, columns / kNonzeroBits, rounded up): a bit a column
  std::uint64_t* of_columns;  ///< (columns): a bit a row; null: not asked for
};

/// Those of a few rows; of_columns is null where no row counts as having zeros.
struct NonzeroBlock {
  std::size_t first_row, rows;
  const std::uint64_t* of_columns;
};

/// An element that is not 0, in a list of those of a row or of a column: which column or row it
/// stands in, and its value.
template <class T>
struct Nonzero {
  std::uint32_t place;
  T value;
};

/// Those of one row, by ascending columns.
template <class T>
struct NonzeroList {
  const Nonzero<T>* begin;
  const Nonzero<T>* end;
};

/// Those of adjacent columns, column after column, each by ascending rows.
template <class T>
struct NonzeroColumns {
  const Nonzero<T>* elements = nullptr;  ///< null: x is not listed
  const std::uint32_t* begins =
      nullptr;  ///< where each column's begin, then where the last ones end
  /// The sum over rows is (b0 + b1) + (b2 + b3) of so many blocks of rows, which end here; one sum
  /// over all of them where the last of them is 0.
  std::uint32_t block_ends[4] = {};
};

/// z = x w + b and a = f(z) for `rows` rows of x.
template <class T>
struct DenseForward {
  std::size_t rows, inputs, units;
  const T* x;
  std::size_t ld_x;  ///< x is read only in its `inputs` columns
  const T* w;        ///< paneled
  const T* b;        ///< padded
  T* z;              ///< written where the derivative needs z; may be null otherwise
  T* a;              ///< padded rows; not z
  std::size_t ld_a;  ///< of z and a
  Activation activation;
  /// What is not 0 in x, as of_rows of FindNonzeros has it; null: everything.
  const std::uint64_t* nonzeros = nullptr;
  /// The rows of x as lists, of which x itself is not read; null: it is.
  const NonzeroList<T>* lists = nullptr;
};

/// d_z of the layer below: (d_z w^T) f'(z below), for `rows` rows and columns [input_begin,
/// input_end) of it, which are whole panels but for the last.
template <class T>
struct DenseBackwardInput {
  std::size_t rows, inputs, units;
  std::size_t input_begin, input_end;
  const T* d_z;  ///< (rows, units)
  std::size_t ld_d_z;
  const T* w;             ///< paneled (inputs, units)
  const T* z_or_a_below;  ///< (rows, inputs) of the layer below; null where identity
  T* d_z_below;           ///< (rows, inputs)
  std::size_t ld_below;   ///< of both
  Activation activation_below;
  T* scratch;  ///< kTransposeScratch<T> elements
};

/// Part of d_w = x^T d_z: rows [input_begin, input_end) of the panel of columns that starts at
/// column_begin. The panel's rows stand one after the other in `d_w`, which is what the weights'
/// layout has there too. Sums::add takes kDepthBlock rows at most.
template <class T>
struct DenseBackwardWeights {
  std::size_t rows, units;
  std::size_t input_begin, input_end;
  std::size_t column_begin;
  const T* x;
  std::size_t ld_x;
  const T* d_z;  ///< (rows, units)
  std::size_t ld_d_z;
  T* d_w;  ///< (input_end - input_begin, panel_width)
  Sums sums;
  /// Vectors of d_w's layout that are read next, the first null where none are: while a tile of d_w
  /// is computed, its part of them is fetched into the second cache.
  const T* read_next[3];
  /// What is not 0 in x, in blocks one behind the other, the first from x's first row; null:
  /// everything.
  const NonzeroBlock* nonzeros = nullptr;
  std::size_t nonzero_blocks = 0;
  /// Columns [input_begin, input_end) of x as lists, of which x itself is not read; Sums::add is
  /// not taken with them.
  NonzeroColumns<T> columns{};
};

/// d_b = the column sums of d_z, over `columns` columns in whole groups.
template <class T>
struct DenseBackwardBias {
  std::size_t rows, columns;
  const T* d_z;
  std::size_t ld_d_z;
  T* d_b;
  Sums sums;
};

/// The losses L_i of `rows` rows and d_outputs = scale_i dL_i / d outputs.
template <class T>
struct LossArguments {
  std::size_t rows, outputs;
  const T* f;  ///< (rows, outputs)
  std::size_t ld_f;
  const T* y;  ///< (rows, outputs), or null where labels are given
  std::size_t ld_y;
  const std::int32_t* labels;  ///< (rows), or null
  const T* scale;              ///< (rows): w_i / sum w; null: losses only
  T* d_outputs;                ///< (rows, outputs); null: losses only
  std::size_t ld_d;
  bool padded;  ///< d_outputs has room for whole groups, and zeros go there
  T* losses;    ///< (rows)
};

/// Rows of so few outputs, which most lanes would pass by, are taken a group of rows at a time:
/// lane i is row i, and an output is a register. A multiple of every type's group.
constexpr std::size_t kNarrowOutputs = 16;

/// Vectors that an optimizer keeps, at most.
constexpr std::size_t kMostStates = 3;

/// What one optimizer step has in common for all elements.
struct StepScalars {
  double learning_rate;
  double values[3];  ///< as its rule keeps them
};

/// One optimizer step over `count` elements. Padding of theta and the gradient must hold zeros;
/// that of theta keeps them.
template <class T>
struct UpdateArguments {
  const void* hyperparameters;  ///< the row's struct of optimizer.hpp, its learning rate unused
  StepScalars scalars;          ///< from `prepare`
  bool decay;                   ///< false for biases
  std::size_t count;
  T* theta;
  const T* gradient;
  T* state[kMostStates];
};

/// Rows `order[first + i]` (or first + i where order is null) of a matrix of any element type, each
/// element converted as a cast does. Subnormal numbers are kept where the caller does not flush
/// them.
template <class T>
struct GatherArguments {
  std::size_t rows, columns;
  const void* source;
  ElementType source_type;
  std::size_t ld_source;
  const std::size_t* order;
  std::size_t first;
  T* out;  ///< padded rows; zeros go behind the columns
  std::size_t ld_out;
};

template <class T>
struct Kernels {
  void (*dense_forward)(const DenseForward<T>&);
  void (*dense_backward_input)(const DenseBackwardInput<T>&);
  void (*dense_backward_weights)(const DenseBackwardWeights<T>&);
  void (*dense_backward_bias)(const DenseBackwardBias<T>&);
  /// d_z = d_a f'(z), in place over padded rows; `z_or_a` as derivative_needs_z says.
  void (*activation_backward[kActivationCount])(std::size_t rows, std::size_t columns, T* d,
                                                std::size_t ld_d, const T* z_or_a,
                                                std::size_t ld_z_or_a);
  void (*loss[kLossCount])(const LossArguments<T>&);
  /// The scalars of step number `step`, from 1, of this learning rate.
  StepScalars (*prepare[kOptimizerCount])(const void* hyperparameters, double learning_rate,
                                          std::uint64_t step);
  void (*update[kOptimizerCount])(const UpdateArguments<T>&);
  void (*gather_rows)(const GatherArguments<T>&);
  /// Returns false, with nothing written to of_columns, where no row counts as having zeros.
  bool (*find_nonzeros)(const FindNonzeros<T>&);
  /// out = x + y by element; out may be one of them.
  void (*add)(std::size_t count, const T* x, const T* y, T* out);
  /// out = x * y by element.
  void (*multiply)(std::size_t count, const T* x, const T* y, T* out);
  bool (*all_finite)(std::size_t count, const T* x);
  /// sum |x_ij| in some order: at least the largest of them, not finite where one is not.
  T (*absolute_sum)(std::size_t rows, std::size_t columns, const T* x, std::size_t ld);
  /// out_i = sum_j x_ij^2 in double, row by row.
  void (*squared_norms)(std::size_t rows, std::size_t columns, const T* x, std::size_t ld,
                        double* out);
  /// Of `vectors` vectors x_k of whole groups, `ld` elements apart, and their sum, which goes to
  /// `sum`: with_sum_k = x_k . sum and with_self_k = x_k . x_k in double.
  void (*products_with_sum)(std::size_t count, std::size_t vectors, const T* x, std::size_t ld,
                            double* sum, double* with_sum, double* with_self);
  /// sum_i (x_i - y_i)^2 in double.
  double (*squared_distance)(std::size_t count, const T* x, const T* y);
  /// sum_i l2 / 2 x_i^2 + l1 |x_i| in double.
  double (*penalty)(std::size_t count, const T* x, double l2, double l1);
  /// gradient_i += l2 x_i + l1 sign(x_i).
  void (*add_penalty_gradient)(std::size_t count, const T* x, T l2, T l1, T* gradient);
  /// x_i = min(max(x_i, -most), most); NaN stays.
  void (*clip)(std::size_t count, T most, T* x);
  /// x_i *= factor.
  void (*scale)(std::size_t count, T factor, T* x);
  /// sum_i x_i^2 in double.
  double (*squared_norm)(std::size_t count, const T* x);
  /// average_i = decay average_i + rest x_i.
  void (*move_average)(std::size_t count, const T* x, T decay, T rest, T* average);
  /// sum_i weights_i x_i in double; weights null: all 1.
  double (*weighted_sum)(std::size_t count, const T* x, const double* weights);
  void (*evaluate[kFunctionCount])(std::size_t count, const T* x, T* out);
};

struct KernelTable {
  const char* isa;
  Kernels<float> float32;
  Kernels<double> float64;
};

template <class T>
const Kernels<T>& kernels_of(const KernelTable& table);
template <>
inline const Kernels<float>& kernels_of<float>(const KernelTable& table) {
  return table.float32;
}
template <>
inline const Kernels<double>& kernels_of<double>(const KernelTable& table) {
  return table.float64;
}

/// Depth of the blocks in which long sums are taken, so that a panel's block stays in cache.
constexpr std::size_t kDepthBlock = 512;

/// Elements of scratch for DenseBackwardInput.
template <class T>
constexpr std::size_t kTransposeScratch = kDepthBlock * kPanel<T>;

}  // namespace descend::kernels
