#include "trainer/outputs.hpp"

#include <cstring>
#include <optional>

#include "core/checks.hpp"
#include "engine/metrics.hpp"

namespace descend::trainer {

namespace {

using core::invalid;

// Rows of a matrix or of labels, copied side by side.
class CopiedRows {
 public:
  CopiedRows(const ConstMatrixView& matrix, const std::vector<std::size_t>& rows)
      : bytes_(copied(matrix, rows)),
        matrix_(bytes_.data(), matrix.element_type(), rows.size(), matrix.columns()) {}
  CopiedRows(const CopiedRows&) = delete;
  CopiedRows& operator=(const CopiedRows&) = delete;

  const ConstMatrixView& matrix() const { return matrix_; }

 private:
  static std::vector<unsigned char> copied(const ConstMatrixView& matrix,
                                           const std::vector<std::size_t>& rows) {
    const std::size_t size = matrix.columns() * element_size(matrix.element_type());
    std::vector<unsigned char> bytes(rows.size() * size);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::memcpy(bytes.data() + i * size, matrix.row(rows[i]), size);
    }
    return bytes;
  }

  std::vector<unsigned char> bytes_;
  ConstMatrixView matrix_;
};

// What the caller's functions are given: the rows that count, side by side.
class CountedRows {
 public:
  CountedRows(const ConstMatrixView& outputs, const engine::Examples& examples,
              const engine::Rows& rows)
      : outputs_(outputs), targets_(examples.targets) {
    std::vector<std::size_t> counted;
    for (std::size_t i = 0; i < rows.count; ++i) {
      if (examples.weights == nullptr || examples.weights[rows[i]] > 0.0) {
        counted.push_back(rows[i]);
      }
    }
    if (rows.order == nullptr && counted.size() == outputs.rows()) return;
    outputs_ = copied_outputs_.emplace(outputs, counted).matrix();
    const bool are_labels = targets_.are_labels();
    const LabelView labels = targets_.labels();
    const ConstMatrixView values =
        are_labels ? ConstMatrixView(labels.data(), labels.element_type(), labels.size(), 1)
                   : targets_.values();
    const ConstMatrixView copied = copied_targets_.emplace(values, counted).matrix();
    targets_ = are_labels ? Targets(LabelView(copied.data(), copied.element_type(), copied.rows()))
                          : Targets(copied);
  }
  CountedRows(const CountedRows&) = delete;
  CountedRows& operator=(const CountedRows&) = delete;

  const ConstMatrixView& outputs() const { return outputs_; }
  const Targets& targets() const { return targets_; }

 private:
  ConstMatrixView outputs_;
  Targets targets_;
  std::optional<CopiedRows> copied_outputs_;
  std::optional<CopiedRows> copied_targets_;
};

}  // namespace

Outputs::Outputs(const network::State& network, std::size_t rows)
    : dtype_(network.spec.dtype), rows_(rows), columns_(network.layout.layers.back().units) {
  const std::size_t size = core::checked_product(rows, columns_, "Trainer: the rows' outputs");
  network::with_type(dtype_,
                     [&](auto zero) { values_ = core::AlignedBuffer<decltype(zero)>(size); });
}

void* Outputs::data() {
  return std::visit([](auto& values) -> void* { return values.data(); }, values_);
}

ConstMatrixView Outputs::view() const {
  const void* const data =
      std::visit([](const auto& values) -> const void* { return values.data(); }, values_);
  return {data, dtype_, rows_, columns_};
}

std::string name_of(const AnyMetric& metric) {
  const auto* custom = std::get_if<CustomMetric>(&metric);
  return custom == nullptr ? name(std::get<Metric>(metric)) : custom->name;
}

void check_metrics(const char* where, const std::vector<AnyMetric>& metrics, Loss loss,
                   std::size_t outputs) {
  MetricValues names{{"loss", 0.0}};  // which stands beside them
  for (const AnyMetric& metric : metrics) {
    if (const auto* known = std::get_if<Metric>(&metric)) {
      engine::check_metric(where, *known, loss, outputs);
    } else if (!std::get<CustomMetric>(metric).compute) {
      throw invalid(where, ": the metric ", name_of(metric), " has no function.");
    }
    if (!names.emplace(name_of(metric), 0.0).second) {
      throw invalid(where, ": two metrics are named ", name_of(metric),
                    name_of(metric) == "loss" ? ", which is the loss's name" : "",
                    "; give each a name of its own.");
    }
  }
}

MetricValues measure(const std::vector<AnyMetric>& metrics, Loss loss, const Outputs& outputs,
                     const engine::Examples& examples, const engine::Rows& rows,
                     core::InterruptPoll& interrupt) {
  MetricValues values;
  const ConstMatrixView view = outputs.view();
  // In their own order where all count: then no bit depends on the order of the epoch.
  const engine::Rows counted =
      rows.count == view.rows() ? engine::Rows{nullptr, 0, view.rows()} : rows;
  std::optional<CountedRows> given;
  for (const AnyMetric& metric : metrics) {
    if (const auto* known = std::get_if<Metric>(&metric)) {
      values[name_of(metric)] = engine::measure(
          *known, {loss, view, examples.targets, examples.weights, counted, &interrupt});
    } else {
      if (!given) given.emplace(view, examples, counted);
      values[name_of(metric)] =
          std::get<CustomMetric>(metric).compute(given->outputs(), given->targets());
    }
  }
  return values;
}

}  // namespace descend::trainer
