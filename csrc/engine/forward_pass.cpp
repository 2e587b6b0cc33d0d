#include "engine/forward_pass.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/float_environment.hpp"
#include "core/interrupt_poll.hpp"
#include "core/thread_team.hpp"
#include "engine/loss_rows.hpp"
#include "engine/nonzero_lists.hpp"
#include "engine/nonzeros.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Rows that go through all layers together: enough to reuse the weights, few enough that two
// layers' activations stay in cache.
constexpr std::size_t kRowsTogether = 96;

// A few milliseconds of work.
constexpr double kFlopsBetweenQuestions = 1 << 29;

// Elements of a few rows' activations that the stack has room for.
constexpr std::size_t kFewElements = 1024;

// Inputs, and whether their rows are listed rather than read as they stand or made dense.
struct Source {
  template <class T>
  static Source of(const InputView& inputs, std::size_t most_stored, const LayerLayout& first) {
    return {inputs, most_stored, inputs.is_sparse() && lists_rows<T>(first, most_stored)};
  }

  InputView inputs;
  std::size_t most_stored;
  bool listed;
};

// Of one row.
double forward_flops(const Source& source, const ParameterLayout& layout) {
  const LayerLayout& first = layout.layers.front();
  const std::size_t passed_over =
      source.listed ? (first.inputs - source.most_stored) * first.units : 0;
  return 2.0 * static_cast<double>(layout.count - passed_over);
}

// What a worker needs besides the activations: where zeros of inputs are found, or rows are listed.
// Null: neither.
template <class T>
struct InputRoom {
  std::uint64_t* words = nullptr;
  RowLists<T>* lists = nullptr;
};

// One worker's way through the layers: the activations of a block of rows go to and fro between
// two buffers.
template <class T>
class ForwardPass {
 public:
  ForwardPass(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta,
              bool lists_inputs)
      : spec_(spec),
        layout_(layout),
        theta_(theta),
        kernels_(kernels::kernels_of<T>(kernels::kernel_table())),
        ld_(lists_inputs ? 0 : row_distance<T>(spec.inputs)),
        most_nonzeros_(most_nonzeros<T>(layout.layers.front())) {
    for (const LayerLayout& layer : layout.layers) {
      ld_ = std::max(ld_, row_distance<T>(layer.units));
    }
  }

  /// Elements of one buffer for `rows` rows.
  std::size_t buffer_size(std::size_t rows) const { return rows * ld_; }

  /// Words that it takes to find zeros of inputs.
  std::size_t word_count() const {
    return most_nonzeros_ == 0 ? 0 : kernels::kNonzeroBits * nonzero_words(spec_.inputs);
  }

  /// The last layer's a (rows.count, outputs), in one of the `buffers`. `goes_on` is asked after
  /// each layer; null where it says no.
  template <class GoesOn>
  Matrix<T> run(const InputView& inputs, const Rows& rows, T* const (&buffers)[2],
                const InputRoom<T>& room, const GoesOn& goes_on) const {
    forward_inputs(inputs, rows, buffers, room);
    for (std::size_t l = 1; l < layout_.layers.size() && goes_on(); ++l) {
      forward(l, rows.count, {buffers[(l - 1) % 2], ld_}, {}, buffers[l % 2]);
    }
    if (!goes_on()) return {nullptr, 0};
    return {buffers[(layout_.layers.size() - 1) % 2], ld_};
  }

 private:
  // What is not 0 in a layer's rows, as DenseForward has it.
  struct NonzerosOfRows {
    const std::uint64_t* bits = nullptr;
    const kernels::NonzeroList<T>* lists = nullptr;
  };

  void forward(std::size_t l, std::size_t rows, const Matrix<T>& x, const NonzerosOfRows& nonzeros,
               T* a) const {
    const LayerLayout& layer = layout_.layers[l];
    kernels_.dense_forward({rows, layer.inputs, layer.units, x.data, x.ld, theta_ + layer.weights,
                            theta_ + layer.bias, nullptr, a, ld_, spec_.layers[l].activation,
                            nonzeros.bits, nonzeros.lists});
  }

  void forward_inputs(const InputView& inputs, const Rows& rows, T* const (&buffers)[2],
                      const InputRoom<T>& room) const {
    if (room.lists != nullptr) {
      room.lists->gather(kernels_, inputs.sparse(), rows, 0);
      return forward(0, rows.count, {nullptr, 0}, {nullptr, room.lists->of_row(0)}, buffers[0]);
    }
    const Matrix<T> x = rows_of(kernels_, inputs, rows, buffers[1], ld_);
    if (room.words == nullptr) return forward(0, rows.count, x, {}, buffers[0]);
    forward_with_zeros(rows.count, x, room.words, buffers[0]);
  }

  // As many rows at a time as zeros are found in.
  void forward_with_zeros(std::size_t rows, const Matrix<T>& x, std::uint64_t* words, T* a) const {
    for (std::size_t row = 0; row < rows; row += kernels::kNonzeroBits) {
      const std::size_t count = std::min(kernels::kNonzeroBits, rows - row);
      const Matrix<T> part = {x.data + row * x.ld, x.ld};
      const bool have_zeros = kernels_.find_nonzeros(
          {count, spec_.inputs, most_nonzeros_, part.data, part.ld, words, nullptr});
      forward(0, count, part, {have_zeros ? words : nullptr, nullptr}, a + row * ld_);
    }
  }

  const NetworkSpec& spec_;
  const ParameterLayout& layout_;
  const T* theta_;
  const kernels::Kernels<T>& kernels_;
  std::size_t ld_;
  std::size_t most_nonzeros_;
};

// How many workers `rows` rows of so many operations each are worth.
int forward_workers(std::size_t rows, double row_flops, int threads) {
  const int workers = core::team_size(threads, static_cast<double>(rows) * row_flops);
  return static_cast<int>(std::min(static_cast<std::size_t>(workers), rows));
}

// Calls visit(worker, rows, outputs) for blocks of at most kRowsTogether of `all` rows, in so many
// workers. The calling thread asks `interrupted` now and then. Returns false, some rows left out,
// where it says yes.
template <class T, class Visit>
bool for_each_block(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta,
                    const Source& source, const Rows& all, int workers,
                    const std::function<bool()>& interrupted, const Visit& visit) {
  const std::size_t block_rows = std::min(all.count, kRowsTogether);
  const ForwardPass<T> dense(spec, layout, theta, false);
  if (all.count == block_rows && dense.buffer_size(block_rows) <= kFewElements && workers == 1) {
    const core::FlushToZero flush;
    alignas(64) T few[2][kFewElements];
    visit(0, all, dense.run(source.inputs, all, {few[0], few[1]}, {}, [] { return true; }));
    return true;
  }
  const ForwardPass<T> pass(spec, layout, theta, source.listed);
  const std::size_t size = pass.buffer_size(block_rows);
  const auto count = static_cast<std::size_t>(workers);
  const std::size_t word_count = source.listed ? 0 : pass.word_count();
  core::AlignedBuffer<T> buffers(2 * size * count);
  core::AlignedBuffer<std::uint64_t> words(word_count * count);
  std::vector<RowLists<T>> lists(source.listed ? count : 0);
  for (RowLists<T>& own : lists) own = RowLists<T>(block_rows, source.most_stored);
  core::InterruptPoll poll(interrupted);
  std::atomic<bool> ended{false};
  core::run_team(workers, [&](const core::Worker& worker) {
    const auto goes_on = [&] {
      if (worker.index == 0 && poll.due(core::InterruptPoll::Clock::now()) && poll.ask()) {
        ended = true;
      }
      return !ended;
    };
    const auto index = static_cast<std::size_t>(worker.index);
    T* const own = buffers.data() + 2 * size * index;
    const InputRoom<T> room{words.data() + word_count * index,
                            source.listed ? &lists[index] : nullptr};
    const core::Share share = worker.share(all.count);
    for (std::size_t row = share.begin; row < share.end; row += block_rows) {
      const Rows rows = all.part(row, std::min(row + block_rows, share.end));
      const Matrix<T> outputs = pass.run(source.inputs, rows, {own, own + size}, room, goes_on);
      if (outputs.data == nullptr) return;
      visit(index, rows, outputs);
    }
  });
  if (ended) poll.throw_failure();
  return !ended;
}

}  // namespace

template <class T>
bool predict(const NetworkSpec& spec, const ParameterLayout& layout, const T* theta,
             const InputView& inputs, const MatrixView& outputs, int threads,
             const std::function<bool()>& interrupted) {
  T* const out = static_cast<T*>(outputs.data());
  const std::size_t rows = inputs.rows();
  const std::size_t stored = inputs.is_sparse() ? most_stored(inputs.sparse()) : 0;
  const Source source = Source::of<T>(inputs, stored, layout.layers.front());
  return for_each_block(spec, layout, theta, source, {nullptr, 0, rows},
                        forward_workers(rows, forward_flops(source, layout), threads), interrupted,
                        [&](std::size_t, const Rows& block, const Matrix<T>& a) {
                          for (std::size_t i = 0; i < block.count; ++i) {
                            std::copy_n(a.data + i * a.ld, outputs.columns(),
                                        out + block[i] * outputs.row_stride());
                          }
                        });
}

template <class T>
std::optional<double> mean_loss(const NetworkSpec& spec, const ParameterLayout& layout,
                                const T* theta, const Examples& examples, Loss loss, T* outputs,
                                int threads, const std::function<bool()>& goes_on) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const std::size_t count = examples.inputs.rows();
  const std::size_t units = layout.layers.back().units;
  const Source source = Source::of<T>(examples.inputs, examples.most_stored, layout.layers.front());
  const double row_flops = forward_flops(source, layout);
  const std::size_t part_rows =
      std::min(count, kRowsTogether + static_cast<std::size_t>(kFlopsBetweenQuestions / row_flops));
  const int workers = forward_workers(part_rows, row_flops, threads);

  // The targets of a block of rows, for each worker.
  const std::size_t ld_values = row_distance<T>(units);
  const std::size_t block_values = std::min(part_rows, kRowsTogether) * ld_values;
  core::AlignedBuffer<T> values(static_cast<std::size_t>(workers) * block_values);
  core::AlignedBuffer<std::int32_t> labels(static_cast<std::size_t>(workers) * kRowsTogether);
  core::AlignedBuffer<T> losses(part_rows);

  double sum = 0.0;
  for (std::size_t first = 0; first < count; first += part_rows) {
    const Rows part{nullptr, first, std::min(part_rows, count - first)};
    for_each_block(spec, layout, theta, source, part, workers, {},
                   [&](std::size_t worker, const Rows& rows, const Matrix<T>& f) {
                     const LossRoom<T> room = {values.data() + worker * block_values, ld_values,
                                               labels.data() + worker * kRowsTogether,
                                               losses.data() + (rows.first - first)};
                     const auto arguments =
                         loss_arguments(kernels, examples.targets, rows, units, f, room);
                     compute_losses(kernels, loss, arguments, arguments.labels);
                     for (std::size_t i = 0; outputs != nullptr && i < rows.count; ++i) {
                       std::copy_n(f.data + i * f.ld, units, outputs + rows[i] * units);
                     }
                   });
    const double* const weights = examples.weights == nullptr ? nullptr : examples.weights + first;
    sum += kernels.weighted_sum(part.count, losses.data(), weights);
    if (goes_on && !goes_on()) return std::nullopt;
  }
  return sum / weight_sum(examples.weights, {nullptr, 0, count});
}

template bool predict<float>(const NetworkSpec&, const ParameterLayout&, const float*,
                             const InputView&, const MatrixView&, int,
                             const std::function<bool()>&);
template bool predict<double>(const NetworkSpec&, const ParameterLayout&, const double*,
                              const InputView&, const MatrixView&, int,
                              const std::function<bool()>&);
template std::optional<double> mean_loss<float>(const NetworkSpec&, const ParameterLayout&,
                                                const float*, const Examples&, Loss, float*, int,
                                                const std::function<bool()>&);
template std::optional<double> mean_loss<double>(const NetworkSpec&, const ParameterLayout&,
                                                 const double*, const Examples&, Loss, double*, int,
                                                 const std::function<bool()>&);

}  // namespace descend::engine
