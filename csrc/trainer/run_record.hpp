// What a run of fit() has done so far: all that it needs, besides the trainer, to go on.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <variant>

#include "core/aligned_buffer.hpp"
#include "descend/stop.hpp"
#include "descend/trainer.hpp"
#include "network/state.hpp"
#include "trainer/epoch_loop.hpp"
#include "trainer/outputs.hpp"

namespace descend::trainer {

/// theta as it was at some point of a run.
class Snapshot {
 public:
  explicit Snapshot(const network::State& network);
  void take(const network::State& network);
  void restore(network::State& network) const;
  /// Copies it, of the network's dtype in the order of LayerShape, to or from `canonical`.
  void copy_to(const network::State& network, void* canonical) const;
  void copy_from(const network::State& network, const void* canonical);
  /// ||theta - this||.
  double distance(const network::State& network) const;

 private:
  std::variant<core::AlignedBuffer<float>, core::AlignedBuffer<double>> theta_;
};

/// The parameters of the lowest validation loss.
struct BestParameters {
  explicit BestParameters(const network::State& network) : parameters(network) {}

  /// Takes the parameters where `loss` is the lowest so far. Returns the epochs since then, this
  /// one included.
  std::size_t watch(const network::State& network, double loss);

  Snapshot parameters;
  double lowest = std::numeric_limits<double>::infinity();
  std::size_t epochs_since = 0;
};

/// An epoch that has begun and not ended.
struct OpenEpoch {
  std::size_t rows = 0;      ///< of the data; 0: batches are given
  EpochProgress progress;    ///< where batches are given, `visited` counts them
  double weight_unit = 0.0;  ///< of the sums, where batches are given

  /// Adds the step of a batch, whose weights are in a unit of its own, a power of two.
  void add_batch(const EpochProgress& step, double unit);
};

struct RunRecord {
  History history;                     ///< of the epochs that ended
  std::optional<StopReason> reason;    ///< the condition that was met, if any
  std::optional<OpenEpoch> epoch;      ///< the one at work
  std::optional<BestParameters> best;  ///< with patience
  std::optional<Snapshot> before;      ///< with parameter_change: before the epoch at work
  std::optional<Outputs> outputs;      ///< with metrics: of the rows visited in the epoch at work
};

}  // namespace descend::trainer
