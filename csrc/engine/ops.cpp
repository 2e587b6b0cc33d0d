#include "descend/ops.hpp"

#include <algorithm>

#include "core/aligned_buffer.hpp"
#include "core/checks.hpp"
#include "core/float_environment.hpp"
#include "engine/data_checks.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"
#include "engine/loss_rows.hpp"
#include "kernels/dispatch.hpp"

namespace descend::ops {

namespace {

using core::AlignedBuffer;
using core::invalid;

ElementType type_of(const ConstMatrixView& matrix) { return matrix.element_type(); }
ElementType type_of(const MatrixView& matrix) { return element_type(matrix.dtype()); }

// The type of the arithmetic, which is that of `matrix`.
DType dtype_of(const char* where, const char* what, const ConstMatrixView& matrix) {
  if (matrix.element_type() == ElementType::float32) return DType::float32;
  if (matrix.element_type() == ElementType::float64) return DType::float64;
  throw invalid(where, ": ", what, " is of ", name(matrix.element_type()),
                ", expected float32 or float64; convert it first.");
}

template <class Matrix>
void check_matrix(const char* where, const char* what, const Matrix& matrix,
                  std::size_t expected_rows, std::size_t expected_columns, DType expected_dtype) {
  if (matrix.rows() != expected_rows || matrix.columns() != expected_columns ||
      type_of(matrix) != element_type(expected_dtype)) {
    throw invalid(where, ": ", what, " is (", matrix.rows(), ", ", matrix.columns(), ") ",
                  name(type_of(matrix)), ", but the other arrays ask for (", expected_rows, ", ",
                  expected_columns, ") ", name(expected_dtype), ".");
  }
}

void check_vector(const char* where, const char* what, std::size_t size, DType dtype,
                  std::size_t expected_size, DType expected_dtype) {
  if (size != expected_size || dtype != expected_dtype) {
    throw invalid(where, ": ", what, " has ", size, " elements of ", name(dtype),
                  ", but the other arrays ask for ", expected_size, " of ", name(expected_dtype),
                  ".");
  }
}

void check_not_empty(const char* where, const ConstMatrixView& matrix) {
  if (matrix.rows() == 0 || matrix.columns() == 0) {
    throw invalid(where, ": got an empty matrix of shape (", matrix.rows(), ", ", matrix.columns(),
                  "), expected at least one row and one column.");
  }
}

// A copy whose rows are padded with zeros to whole groups.
template <class T>
struct Padded {
  Padded(std::size_t rows, std::size_t columns)
      : ld(engine::row_distance<T>(columns)), values(core::checked_product(rows, ld, "ops")) {}
  explicit Padded(const ConstMatrixView& source) : Padded(source.rows(), source.columns()) {
    const T* from = static_cast<const T*>(source.data());
    for (std::size_t row = 0; row < source.rows(); ++row) {
      std::copy_n(from + row * source.row_stride(), source.columns(), values.data() + row * ld);
    }
  }
  void copy_to(const MatrixView& target) const {
    T* to = static_cast<T*>(target.data());
    for (std::size_t row = 0; row < target.rows(); ++row) {
      std::copy_n(values.data() + row * ld, target.columns(), to + row * target.row_stride());
    }
  }

  std::size_t ld;
  AlignedBuffer<T> values;
};

// A layer's weights as the kernels keep them.
template <class T>
AlignedBuffer<T> paneled(const ConstMatrixView& w) {
  AlignedBuffer<T> panels(kernels::paneled_size<T>(w.rows(), w.columns()));
  const T* from = static_cast<const T*>(w.data());
  for (std::size_t begin = 0; begin < w.columns(); begin += kernels::kPanel<T>) {
    const std::size_t columns = std::min(kernels::kPanel<T>, w.columns() - begin);
    for (std::size_t row = 0; row < w.rows(); ++row) {
      std::copy_n(from + row * w.row_stride() + begin, columns,
                  panels.data() + kernels::paneled_index<T>(w.rows(), w.columns(), row, begin));
    }
  }
  return panels;
}

template <class T>
void forward(const ConstMatrixView& x, const ConstMatrixView& w, const ConstVectorView& b,
             Activation activation, const MatrixView& out) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const AlignedBuffer<T> panels = paneled<T>(w);
  AlignedBuffer<T> bias(kernels::padded<T>(w.columns()));
  std::copy_n(static_cast<const T*>(b.data()), b.size(), bias.data());
  Padded<T> a(x.rows(), w.columns());
  kernels.dense_forward({x.rows(), w.rows(), w.columns(), static_cast<const T*>(x.data()),
                         x.row_stride(), panels.data(), bias.data(), nullptr, a.values.data(), a.ld,
                         activation});
  a.copy_to(out);
}

template <class T>
void backward(const ConstMatrixView& d_a, const ConstMatrixView& x, const ConstMatrixView& w,
              const ConstMatrixView& z_or_a, Activation activation, const MatrixView& d_x,
              const MatrixView& d_w, const VectorView& d_b) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const std::size_t inputs = w.rows(), units = w.columns(), rows = x.rows();
  Padded<T> d_z(d_a);
  const Padded<T> slope_source(z_or_a);
  kernels.activation_backward[static_cast<int>(activation)](
      rows, kernels::padded<T>(units), d_z.values.data(), d_z.ld, slope_source.values.data(),
      slope_source.ld);

  const AlignedBuffer<T> panels = paneled<T>(w);
  AlignedBuffer<T> scratch(kernels::kTransposeScratch<T>);
  Padded<T> d_input(rows, inputs);
  kernels.dense_backward_input({rows, inputs, units, 0, inputs, d_z.values.data(), d_z.ld,
                                panels.data(), nullptr, d_input.values.data(), d_input.ld,
                                Activation::identity, scratch.data()});

  AlignedBuffer<T> gradient(kernels::paneled_size<T>(inputs, units));
  T* const weights_out = static_cast<T*>(d_w.data());
  for (std::size_t begin = 0; begin < units; begin += kernels::kPanel<T>) {
    const std::size_t columns = std::min(kernels::kPanel<T>, units - begin);
    T* const panel = gradient.data() + inputs * begin;
    kernels.dense_backward_weights({rows,
                                    units,
                                    0,
                                    inputs,
                                    begin,
                                    static_cast<const T*>(x.data()),
                                    x.row_stride(),
                                    d_z.values.data(),
                                    d_z.ld,
                                    panel,
                                    kernels::Sums::replace,
                                    {}});
    const std::size_t width = kernels::panel_width<T>(units, begin);
    for (std::size_t row = 0; row < inputs; ++row) {
      std::copy_n(panel + row * width, columns, weights_out + row * d_w.row_stride() + begin);
    }
  }
  AlignedBuffer<T> bias(kernels::padded<T>(units));
  kernels.dense_backward_bias(
      {rows, bias.size(), d_z.values.data(), d_z.ld, bias.data(), kernels::Sums::replace});
  d_input.copy_to(d_x);
  std::copy_n(bias.data(), units, static_cast<T*>(d_b.data()));
}

template <class T>
double loss_and_slope(Loss loss, const ConstMatrixView& outputs, const Targets& targets,
                      const MatrixView& d_outputs, const double* weights) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const engine::Rows rows{nullptr, 0, outputs.rows()};
  const double total = engine::weight_sum(weights, rows);
  AlignedBuffer<T> scale(rows.count), losses(rows.count);
  for (std::size_t i = 0; i < rows.count; ++i) {
    scale.data()[i] = static_cast<T>((weights == nullptr ? 1.0 : weights[i]) / total);
  }
  AlignedBuffer<std::int32_t> labels(targets.are_labels() ? rows.count : 0);
  const std::size_t ld_values = engine::row_distance<T>(outputs.columns());
  const bool gathers =
      !targets.are_labels() && !engine::readable_in_place<T>(targets.values(), rows);
  AlignedBuffer<T> values(gathers ? rows.count * ld_values : 0);
  kernels::LossArguments<T> arguments =
      engine::loss_arguments<T>(kernels, targets, rows, outputs.columns(),
                                {static_cast<const T*>(outputs.data()), outputs.row_stride()},
                                {values.data(), ld_values, labels.data(), losses.data()});
  arguments.scale = scale.data();
  arguments.d_outputs = static_cast<T*>(d_outputs.data());
  arguments.ld_d = d_outputs.row_stride();
  engine::compute_losses(kernels, loss, arguments, arguments.labels);
  return kernels.weighted_sum(rows.count, losses.data(), weights) / total;
}

}  // namespace

void dense_forward(ConstMatrixView x, ConstMatrixView w, ConstVectorView b, Activation activation,
                   MatrixView a) {
  constexpr const char* kWhere = "ops.dense_forward";
  const DType dtype = dtype_of(kWhere, "x", x);
  check_not_empty(kWhere, x);
  check_not_empty(kWhere, w);
  check_matrix(kWhere, "w", w, x.columns(), w.columns(), dtype);
  check_vector(kWhere, "b", b.size(), b.dtype(), w.columns(), dtype);
  check_matrix(kWhere, "a", a, x.rows(), w.columns(), dtype);
  const core::FlushToZero flush;
  if (dtype == DType::float32) {
    forward<float>(x, w, b, activation, a);
  } else {
    forward<double>(x, w, b, activation, a);
  }
}

void dense_backward(ConstMatrixView d_a, ConstMatrixView x, ConstMatrixView w,
                    ConstMatrixView z_or_a, Activation activation, MatrixView d_x, MatrixView d_w,
                    VectorView d_b) {
  constexpr const char* kWhere = "ops.dense_backward";
  const DType dtype = dtype_of(kWhere, "x", x);
  check_not_empty(kWhere, x);
  check_not_empty(kWhere, w);
  check_matrix(kWhere, "w", w, x.columns(), w.columns(), dtype);
  check_matrix(kWhere, "d_a", d_a, x.rows(), w.columns(), dtype);
  check_matrix(kWhere, "z_or_a", z_or_a, x.rows(), w.columns(), dtype);
  check_matrix(kWhere, "d_x", d_x, x.rows(), x.columns(), dtype);
  check_matrix(kWhere, "d_w", d_w, w.rows(), w.columns(), dtype);
  check_vector(kWhere, "d_b", d_b.size(), d_b.dtype(), w.columns(), dtype);
  const core::FlushToZero flush;
  if (dtype == DType::float32) {
    backward<float>(d_a, x, w, z_or_a, activation, d_x, d_w, d_b);
  } else {
    backward<double>(d_a, x, w, z_or_a, activation, d_x, d_w, d_b);
  }
}

double loss(Loss loss, ConstMatrixView outputs, const Targets& targets, MatrixView d_outputs,
            ConstVectorView sample_weight) {
  constexpr const char* kWhere = "ops.loss";
  const DType dtype = dtype_of(kWhere, "outputs", outputs);
  check_not_empty(kWhere, outputs);
  check_matrix(kWhere, "d_outputs", d_outputs, outputs.rows(), outputs.columns(), dtype);
  engine::check_targets(kWhere, targets, loss, outputs.rows(), outputs.columns(), dtype, {});
  const std::vector<double> weights =
      engine::checked_weights(kWhere, sample_weight, outputs.rows());
  const double* const row_weights = weights.empty() ? nullptr : weights.data();
  const core::FlushToZero flush;
  return dtype == DType::float32
             ? loss_and_slope<float>(loss, outputs, targets, d_outputs, row_weights)
             : loss_and_slope<double>(loss, outputs, targets, d_outputs, row_weights);
}

}  // namespace descend::ops
