#include "engine/forward_pass.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/thread_team.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Rows that go through all layers together: enough to reuse the weights, few enough that two
// layers' activations stay in cache.
constexpr std::size_t kRowsTogether = 96;

// A few milliseconds of work.
constexpr std::size_t kFlopsBetweenQuestions = std::size_t{1} << 29;

// One worker's two buffers, between which the activations of a block of rows go to and fro.
template <class T>
class ForwardPass {
 public:
  ForwardPass(const NetworkSpec& spec, const ParameterLayout& layout, std::size_t rows)
      : spec_(spec), layout_(layout), rows_(std::min(rows, kRowsTogether)) {
    ld_ = row_distance<T>(spec.inputs);
    for (const LayerLayout& layer : layout.layers) {
      ld_ = std::max(ld_, row_distance<T>(layer.units));
    }
    buffers_[0] = core::AlignedBuffer<T>(rows_ * ld_);
    buffers_[1] = core::AlignedBuffer<T>(rows_ * ld_);
  }

  std::size_t block_rows() const { return rows_; }

  /// The last layer's a (rows.count, outputs) for at most block_rows() rows.
  Matrix<T> run(const T* theta, const ConstMatrixView& inputs, const Rows& rows) {
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    Matrix<T> x = rows_of(kernels, inputs, rows, buffers_[1].data(), ld_);
    for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
      const LayerLayout& layer = layout_.layers[l];
      T* const a = buffers_[l % 2].data();
      kernels.dense_forward({rows.count, layer.inputs, layer.units, x.data, x.ld,
                             theta + layer.weights, theta + layer.bias, nullptr, a, ld_,
                             spec_.layers[l].activation});
      x = {a, ld_};
    }
    return x;
  }

 private:
  const NetworkSpec& spec_;
  const ParameterLayout& layout_;
  std::size_t rows_;
  std::size_t ld_;
  core::AlignedBuffer<T> buffers_[2];
};

// One a worker, for `rows` rows.
template <class T>
std::vector<ForwardPass<T>> forward_passes(const NetworkSpec& spec, const ParameterLayout& layout,
                                           std::size_t rows, int threads) {
  const double flops = 2.0 * static_cast<double>(rows) * static_cast<double>(layout.count);
  const auto workers = std::min(static_cast<std::size_t>(core::team_size(threads, flops)), rows);
  std::vector<ForwardPass<T>> passes;
  passes.reserve(workers);
  for (std::size_t worker = 0; worker < workers; ++worker) {
    passes.emplace_back(spec, layout, rows);
  }
  return passes;
}

// Calls visit(worker, rows, outputs) for blocks of all `rows`, in as many threads as passes.
template <class T, class Visit>
void for_each_block(std::vector<ForwardPass<T>>& passes, const T* theta,
                    const ConstMatrixView& inputs, const Rows& all, const Visit& visit) {
  core::run_team(static_cast<int>(passes.size()), [&](const core::Worker& worker) {
    const auto index = static_cast<std::size_t>(worker.index);
    ForwardPass<T>& pass = passes[index];
    const core::Share share = worker.share(all.count);
    for (std::size_t row = share.begin; row < share.end; row += pass.block_rows()) {
      const Rows rows = all.part(row, std::min(row + pass.block_rows(), share.end));
      visit(index, rows, pass.run(theta, inputs, rows));
    }
  });
}

}  // namespace

template <class T>
void predict(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta,
             const ConstMatrixView& inputs, const MatrixView& outputs, int threads) {
  T* const out = static_cast<T*>(outputs.data());
  std::vector<ForwardPass<T>> passes = forward_passes<T>(spec, layout, inputs.rows(), threads);
  for_each_block(passes, theta, inputs, {nullptr, 0, inputs.rows()},
                 [&](std::size_t, const Rows& rows, const Matrix<T>& a) {
                   for (std::size_t i = 0; i < rows.count; ++i) {
                     std::copy_n(a.data + i * a.ld, outputs.columns(),
                                 out + rows[i] * outputs.row_stride());
                   }
                 });
}

template <class T>
std::optional<double> mean_loss(const NetworkSpec& spec, const ParameterLayout& layout,
                                const T* theta, const Examples& examples, Loss loss, int threads,
                                const std::function<bool()>& goes_on) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const std::size_t count = examples.inputs.rows();
  const std::size_t outputs = layout.layers.back().units;
  const std::size_t part_rows =
      std::min(count, kRowsTogether + kFlopsBetweenQuestions / (2 * layout.count));
  std::vector<ForwardPass<T>> passes = forward_passes<T>(spec, layout, part_rows, threads);

  // The targets of a block of rows, for each worker.
  const std::size_t ld_values = row_distance<T>(outputs);
  const std::size_t block_values = passes.front().block_rows() * ld_values;
  core::AlignedBuffer<T> values(passes.size() * block_values);
  core::AlignedBuffer<std::int32_t> labels(passes.size() * kRowsTogether);
  core::AlignedBuffer<T> losses(part_rows);

  const Targets& targets = examples.targets;
  double sum = 0.0;
  for (std::size_t first = 0; first < count; first += part_rows) {
    const Rows part{nullptr, first, std::min(part_rows, count - first)};
    for_each_block(passes, theta, examples.inputs, part,
                   [&](std::size_t worker, const Rows& rows, const Matrix<T>& f) {
                     kernels::LossArguments<T> arguments{};
                     arguments.rows = rows.count;
                     arguments.outputs = outputs;
                     arguments.f = f.data;
                     arguments.ld_f = f.ld;
                     if (targets.are_labels()) {
                       std::int32_t* const block_labels = labels.data() + worker * kRowsTogether;
                       gather_labels(targets.labels(), rows, block_labels);
                       arguments.labels = block_labels;
                     } else {
                       const Matrix<T> y =
                           rows_of(kernels, targets.values(), rows,
                                   values.data() + worker * block_values, ld_values);
                       arguments.y = y.data;
                       arguments.ld_y = y.ld;
                     }
                     arguments.losses = losses.data() + (rows.first - first);
                     kernels.loss[static_cast<int>(loss)](arguments);
                   });
    const double* const weights = examples.weights == nullptr ? nullptr : examples.weights + first;
    sum += kernels.weighted_sum(part.count, losses.data(), weights);
    if (goes_on && !goes_on()) return std::nullopt;
  }
  return sum / weight_sum(examples.weights, {nullptr, 0, count});
}

template void predict<float>(const NetworkSpec&, const ParameterLayout&, const float*,
                             const ConstMatrixView&, const MatrixView&, int);
template void predict<double>(const NetworkSpec&, const ParameterLayout&, const double*,
                              const ConstMatrixView&, const MatrixView&, int);
template std::optional<double> mean_loss<float>(const NetworkSpec&, const ParameterLayout&,
                                                const float*, const Examples&, Loss, int,
                                                const std::function<bool()>&);
template std::optional<double> mean_loss<double>(const NetworkSpec&, const ParameterLayout&,
                                                 const double*, const Examples&, Loss, int,
                                                 const std::function<bool()>&);

}  // namespace descend::engine
