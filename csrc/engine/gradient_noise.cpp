#include "engine/gradient_noise.hpp"

#include <algorithm>

#include "core/aligned_buffer.hpp"
#include "core/interrupt_poll.hpp"
#include "core/meeting_point.hpp"
#include "core/thread_team.hpp"
#include "engine/blocks.hpp"
#include "engine/cpu_engine.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

constexpr std::size_t kGroupRows = 64;
constexpr std::size_t kFewestGroups = 8, kMostGroups = 16;
constexpr std::size_t kFewestLargeGroups = 4;
constexpr std::size_t kGroupBytes = std::size_t{256} << 20;

// Parameters whose products are taken at a time: those of all groups stay in the second cache.
constexpr std::size_t kChunk = 1024;

// Adjacent parameters of one layer, the same whatever the number of workers.
struct Chunk {
  std::size_t layer, offset, size;
};

std::vector<Chunk> chunks_of(const ParameterLayout& layout) {
  std::vector<Chunk> chunks;
  for (std::size_t l = 0; l < layout.layers.size(); ++l) {
    const bool is_last = l + 1 == layout.layers.size();
    const std::size_t end = is_last ? layout.size : layout.layers[l + 1].weights;
    for (std::size_t begin = layout.layers[l].weights; begin < end; begin += kChunk) {
      chunks.push_back({l, begin, std::min(kChunk, end - begin)});
    }
  }
  return chunks;
}

std::size_t group_count(std::size_t rows, std::size_t gradient_bytes) {
  const std::size_t wanted = std::clamp(rows / kGroupRows, kFewestGroups, kMostGroups);
  const std::size_t fitting = std::max(kGroupBytes / gradient_bytes, kFewestLargeGroups);
  return std::min({rows, wanted, fitting});
}

// Where each of the groups, which differ by one row at most, begins, and where the last one ends.
std::vector<std::size_t> group_bounds(std::size_t rows, std::size_t groups) {
  std::vector<std::size_t> bounds{0};
  for (std::size_t k = 0; k < groups; ++k) {
    bounds.push_back(bounds.back() + rows / groups + (k < rows % groups ? 1 : 0));
  }
  return bounds;
}

// The groups' gradients, one after the other, and their products.
template <class T>
class GroupGradients {
 public:
  GroupGradients(const ParameterLayout& layout, std::size_t groups)
      : size_(layout.size),
        groups_(groups),
        chunks_(chunks_of(layout)),
        gradients_(groups * layout.size, core::Uninitialised{}),
        products_(2 * groups * chunks_.size()) {}

  T* of(std::size_t group) { return gradients_.data() + group * size_; }

  /// Takes this worker's share of the products.
  void multiply(const core::Worker& worker) {
    const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
    const core::Share share = worker.share(chunks_.size());
    for (std::size_t c = share.begin; c < share.end; ++c) {
      alignas(64) double sum[kChunk];
      double* const products = products_.data() + 2 * groups_ * c;
      kernels.products_with_sum(chunks_[c].size, groups_, gradients_.data() + chunks_[c].offset,
                                size_, sum, products, products + groups_);
    }
  }

  /// Adds all workers' shares.
  void add_to(std::vector<NoiseGroup>& groups) const {
    for (std::size_t c = 0; c < chunks_.size(); ++c) {
      const double* const products = products_.data() + 2 * groups_ * c;
      for (std::size_t k = 0; k < groups_; ++k) {
        NoiseSums& sums = groups[k].layers[chunks_[c].layer];
        sums.with_all += products[k];
        sums.with_self += products[groups_ + k];
      }
    }
  }

 private:
  std::size_t size_, groups_;
  std::vector<Chunk> chunks_;
  core::AlignedBuffer<T> gradients_;
  core::AlignedBuffer<double> products_;  // of each chunk: with the sum, then with themselves
};

}  // namespace

NoiseMoments noise_moments(double rows, double weight, double squares, double norm) {
  squares /= weight * weight;
  norm /= weight * weight;
  const double variance = std::max(0.0, rows * (rows * squares - norm) / (rows - 1.0));
  return {variance, norm - variance / rows};
}

template <class T>
std::optional<GroupedNoise> grouped_noise(const NetworkSpec& spec, const ParameterLayout& layout,
                                          const T* theta, const Examples& examples,
                                          const Rows& rows, Loss loss, double label_smoothing,
                                          int threads, const std::function<bool()>& interrupted) {
  const std::size_t layers = layout.layers.size();
  const double total = weight_sum(examples.weights, rows);
  const std::size_t groups = group_count(rows.count, layout.size * sizeof(T));
  const std::vector<std::size_t> bounds = group_bounds(rows.count, groups);
  const std::size_t block_rows = std::min(rows.count, kBlockRows);
  // What is shared out is a group's part of the gradient at a time: a second thread begins to pay
  // at twice the work that it needs elsewhere.
  const int workers = core::team_size(threads, core::step_flops(block_rows, layout.count) / 2);

  GroupedNoise noise;
  for (std::size_t k = 0; k < groups; ++k) {
    const Rows part = rows.part(bounds[k], bounds[k + 1]);
    noise.groups.push_back(
        {part.count, weight_sum(examples.weights, part) / total, std::vector<NoiseSums>(layers)});
  }
  CpuEngine<T> engine(spec, layout, loss, block_rows, workers);
  engine.sum_parts_only();
  engine.take_inputs_of(examples);
  GroupGradients<T> gradients(layout, groups);
  core::AlignedBuffer<double> squares(layers * block_rows, core::Uninitialised{});
  const auto& kernels = kernels::kernels_of<double>(kernels::kernel_table());

  core::InterruptPoll poll(interrupted);
  bool ended = false;
  core::MeetingPoint meeting_point(poll, [&] { return ended = poll.ask(); });
  // Calls visit(group, its rows of the block that begins at row `first`).
  const auto for_each_group = [&](std::size_t first, std::size_t count, const auto& visit) {
    for (std::size_t k = 0; k < groups; ++k) {
      const std::size_t begin = std::max(bounds[k], first);
      const std::size_t end = std::min(bounds[k + 1], first + count);
      if (begin < end && !visit(k, core::Share{begin - first, end - first})) return false;
    }
    return true;
  };
  core::run_team(workers, [&](const core::Worker& worker) {
    core::Pace pace(meeting_point, worker);
    const Minibatch all{examples, rows, total, nullptr, nullptr, label_smoothing};
    const auto add_block = [&](const Minibatch& block) {
      const std::size_t first = block.rows.first - rows.first, count = block.rows.count;
      if (worker.index == 0) noise.loss += engine.loss_sum(block) / total;
      engine.row_gradient_norms(worker, block, squares.data());
      const bool is_done =
          for_each_group(first, count, [&](std::size_t k, const core::Share& part) {
            return engine.gradient_of_part(worker, pace, block, part, gradients.of(k),
                                           bounds[k] < first);
          });
      if (!is_done || !pace.meet()) return false;
      if (worker.index != 0) return true;
      return for_each_group(first, count, [&](std::size_t k, const core::Share& part) {
        for (std::size_t l = 0; l < layers; ++l) {
          noise.groups[k].layers[l].squares +=
              kernels.weighted_sum(part.size(), squares.data() + l * count + part.begin, nullptr);
        }
        return true;
      });
    };
    if (for_each_block(engine, worker, pace, all, theta, add_block)) gradients.multiply(worker);
  });
  if (ended) return std::nullopt;
  gradients.add_to(noise.groups);
  return noise;
}

template std::optional<GroupedNoise> grouped_noise<float>(const NetworkSpec&,
                                                          const ParameterLayout&, const float*,
                                                          const Examples&, const Rows&, Loss,
                                                          double, int,
                                                          const std::function<bool()>&);
template std::optional<GroupedNoise> grouped_noise<double>(const NetworkSpec&,
                                                           const ParameterLayout&, const double*,
                                                           const Examples&, const Rows&, Loss,
                                                           double, int,
                                                           const std::function<bool()>&);

}  // namespace descend::engine
