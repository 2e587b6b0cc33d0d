// The raw outputs of a set of rows, and the caller's metrics of them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/interrupt_poll.hpp"
#include "descend/metric.hpp"
#include "engine/examples.hpp"
#include "network/state.hpp"

namespace descend::trainer {

/// Room for the last layer's outputs of so many rows, of the network's dtype.
class Outputs {
 public:
  /// Throws std::invalid_argument where their number does not fit, and std::bad_alloc.
  Outputs(const network::State& network, std::size_t rows);

  void* data();
  ConstMatrixView view() const;

 private:
  std::variant<core::AlignedBuffer<float>, core::AlignedBuffer<double>> values_;
  DType dtype_;
  std::size_t rows_;
  std::size_t columns_;
};

using MetricValues = std::map<std::string, double>;

std::string name_of(const AnyMetric& metric);

/// Throws std::invalid_argument, beginning with `where`, where a metric does not go with the loss
/// or two have one name.
void check_metrics(const char* where, const std::vector<AnyMetric>& metrics, Loss loss,
                   std::size_t outputs);

/// The metrics of those of `rows` that have some weight. An exception of the caller's functions is
/// the caller's. Throws core::Interrupted.
MetricValues measure(const std::vector<AnyMetric>& metrics, Loss loss, const Outputs& outputs,
                     const engine::Examples& examples, const engine::Rows& rows,
                     core::InterruptPoll& interrupt);

}  // namespace descend::trainer
