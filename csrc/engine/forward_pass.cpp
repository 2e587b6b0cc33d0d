#include "engine/forward_pass.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/aligned_buffer.hpp"
#include "core/float_environment.hpp"
#include "core/interrupt_poll.hpp"
#include "core/thread_team.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Rows that go through all layers together: enough to reuse the weights, few enough that two
// layers' activations stay in cache.
constexpr std::size_t kRowsTogether = 96;

// A few milliseconds of work.
constexpr std::size_t kFlopsBetweenQuestions = std::size_t{1} << 29;

// Elements of a few rows' activations that the stack has room for.
constexpr std::size_t kFewElements = 1024;

double forward_flops(std::size_t rows, const ParameterLayout& layout) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(layout.count);
}

// One worker's way through the layers: the activations of a block of rows go to and fro between
// two buffers.
template <class T>
class ForwardPass {
 public:
  ForwardPass(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta)
      : spec_(spec), layout_(layout), theta_(theta), ld_(row_distance<T>(spec.inputs)) {
    for (const LayerLayout& layer : layout.layers) {
      ld_ = std::max(ld_, row_distance<T>(layer.units));
    }
  }

  /// Elements of one buffer for `rows` rows.
  std::size_t buffer_size(std::size_t rows) const { return rows * ld_; }

  /// The last layer's a (rows.count, outputs), in one of the `buffers`. `goes_on` is asked after
  /// each layer; null where it says no.
  template <class GoesOn>
  Matrix<T> run(const ConstMatrixView& inputs, const Rows& rows, T* const (&buffers)[2],
                const GoesOn& goes_on) const {
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    Matrix<T> x = rows_of(kernels, inputs, rows, buffers[1], ld_);
    for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
      const LayerLayout& layer = layout_.layers[l];
      T* const a = buffers[l % 2];
      kernels.dense_forward({rows.count, layer.inputs, layer.units, x.data, x.ld,
                             theta_ + layer.weights, theta_ + layer.bias, nullptr, a, ld_,
                             spec_.layers[l].activation});
      if (!goes_on()) return {nullptr, 0};
      x = {a, ld_};
    }
    return x;
  }

 private:
  const NetworkSpec& spec_;
  const ParameterLayout& layout_;
  const T* theta_;
  std::size_t ld_;
};

// Calls visit(rows, outputs) for blocks of all `rows` rows of `inputs`, in several threads. The
// calling thread asks `interrupted` now and then. Returns false, some rows left out, where it says
// yes.
template <class T, class Visit>
bool for_each_block(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta,
                    const ConstMatrixView& inputs, int threads,
                    const std::function<bool()>& interrupted, const Visit& visit) {
  const ForwardPass<T> pass(spec, layout, theta);
  const std::size_t block_rows = std::min(inputs.rows(), kRowsTogether);
  const std::size_t size = pass.buffer_size(block_rows);
  const double flops = forward_flops(inputs.rows(), layout);
  if (inputs.rows() == block_rows && size <= kFewElements && core::team_size(threads, flops) == 1) {
    const core::FlushToZero flush;
    alignas(64) T few[2][kFewElements];
    const Rows rows{nullptr, 0, inputs.rows()};
    visit(rows, pass.run(inputs, rows, {few[0], few[1]}, [] { return true; }));
    return true;
  }
  const auto workers = static_cast<int>(std::min<std::size_t>(
      static_cast<std::size_t>(core::team_size(threads, flops)), inputs.rows()));
  core::AlignedBuffer<T> buffers(2 * size * static_cast<std::size_t>(workers));
  core::InterruptPoll poll(interrupted);
  std::atomic<bool> ended{false};
  core::run_team(workers, [&](const core::Worker& worker) {
    const auto goes_on = [&] {
      if (worker.index == 0 && poll.due(core::InterruptPoll::Clock::now()) && poll.ask()) {
        ended = true;
      }
      return !ended;
    };
    T* const own = buffers.data() + 2 * size * static_cast<std::size_t>(worker.index);
    const core::Share share = worker.share(inputs.rows());
    for (std::size_t row = share.begin; row < share.end; row += block_rows) {
      const Rows rows{nullptr, row, std::min(block_rows, share.end - row)};
      const Matrix<T> outputs = pass.run(inputs, rows, {own, own + size}, goes_on);
      if (outputs.data == nullptr) return;
      visit(rows, outputs);
    }
  });
  return !ended;
}

}  // namespace

template <class T>
bool predict(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta,
             const ConstMatrixView& inputs, const MatrixView& outputs, int threads,
             const std::function<bool()>& interrupted) {
  T* const out = static_cast<T*>(outputs.data());
  return for_each_block(
      spec, layout, theta, inputs, threads, interrupted, [&](const Rows& rows, const Matrix<T>& a) {
        for (std::size_t i = 0; i < rows.count; ++i) {
          std::copy_n(a.data + i * a.ld, outputs.columns(), out + rows[i] * outputs.row_stride());
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
  const Targets& targets = examples.targets;
  core::AlignedBuffer<T> losses(count);
  const bool convert = !targets.are_labels() && targets.values().dtype() != DTypeOf<T>::value;
  const std::size_t ld_values = row_distance<T>(outputs);
  core::AlignedBuffer<T> values(convert ? count * ld_values : 0);
  core::AlignedBuffer<std::int32_t> labels(targets.are_labels() ? count : 0);

  const std::size_t part_rows = kRowsTogether + kFlopsBetweenQuestions / (2 * layout.count);
  for (std::size_t first = 0; first < count; first += part_rows) {
    const std::size_t end = std::min(first + part_rows, count);
    for_each_block(spec, layout, theta, examples.inputs.rows(first, end), threads, {},
                   [&](const Rows& part, const Matrix<T>& f) {
                     const Rows rows{nullptr, first + part.first, part.count};
                     kernels::LossArguments<T> arguments{};
                     arguments.rows = rows.count;
                     arguments.outputs = outputs;
                     arguments.f = f.data;
                     arguments.ld_f = f.ld;
                     if (targets.are_labels()) {
                       gather_labels(targets.labels(), rows, labels.data() + rows.first);
                       arguments.labels = labels.data() + rows.first;
                     } else {
                       const Matrix<T> y =
                           rows_of(kernels, targets.values(), rows,
                                   values.data() + rows.first * ld_values, ld_values);
                       arguments.y = y.data;
                       arguments.ld_y = y.ld;
                     }
                     arguments.losses = losses.data() + rows.first;
                     kernels.loss[static_cast<int>(loss)](arguments);
                   });
    if (goes_on && !goes_on()) return std::nullopt;
  }
  const double sum = kernels.weighted_sum(count, losses.data(), examples.weights);
  return sum / weight_sum(examples.weights, {nullptr, 0, count});
}

template bool predict<float>(const NetworkSpec&, const ParameterLayout&, const float*,
                             const ConstMatrixView&, const MatrixView&, int,
                             const std::function<bool()>&);
template bool predict<double>(const NetworkSpec&, const ParameterLayout&, const double*,
                              const ConstMatrixView&, const MatrixView&, int,
                              const std::function<bool()>&);
template std::optional<double> mean_loss<float>(const NetworkSpec&, const ParameterLayout&,
                                                const float*, const Examples&, Loss, int,
                                                const std::function<bool()>&);
template std::optional<double> mean_loss<double>(const NetworkSpec&, const ParameterLayout&,
                                                 const double*, const Examples&, Loss, int,
                                                 const std::function<bool()>&);

}  // namespace descend::engine
