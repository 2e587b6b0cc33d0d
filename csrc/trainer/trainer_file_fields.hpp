// What a trainer's file holds, a line a value: its name, and where it stands in the trainer.
// Writing and reading call `field` with each.
#pragma once

#include <cstddef>
#include <string>

namespace descend::trainer {

constexpr const char* kFileVersion = "1";
constexpr const char* kVersionKey = "trainer.version";
constexpr const char* kChecksumKey = "trainer.checksum";
constexpr const char* kAverageKey = "trainer.average";
constexpr const char* kRunKey = "trainer.run";
constexpr const char* kEpochKey = "trainer.run.epoch";
constexpr const char* kBestKey = "trainer.run.best";
constexpr const char* kBeforeKey = "trainer.run.before";
constexpr const char* kOutputsKey = "trainer.run.outputs";
constexpr const char* kExtraPrefix = "trainer.extra.tensor.";

template <class Options, class Field>
void visit_options(Options& options, const Field& field) {
  // Without threads and device, which are the machine's.
  field("trainer.option.batch_size", options.batch_size);
  field("trainer.option.shuffle", options.shuffle);
  field("trainer.option.seed", options.seed);
  field("trainer.option.l2", options.l2);
  field("trainer.option.l1", options.l1);
  field("trainer.option.divide_penalty", options.divide_penalty);
  field("trainer.option.track_gradient_noise", options.track_gradient_noise);
  field("trainer.option.clip_norm", options.clip_norm);
  field("trainer.option.clip_value", options.clip_value);
  field("trainer.option.average_decay", options.average_decay);
  field("trainer.option.class_weight", options.class_weight.weights);
  field("trainer.option.class_weight.balanced", options.class_weight.balanced);
  field("trainer.option.label_smoothing", options.label_smoothing);
}

template <class Rule, class Field>
void visit_rule(Rule& rule, const Field& field) {
  Rule::visit(rule, [&](const char* key, auto& value, auto...) {
    field("trainer.optimizer." + std::string(key), value);
  });
}

template <class Record, class Field>
void visit_record(Record& record, const Field& field) {
  field("trainer.run.steps", record.history.steps);
  field("trainer.run.seconds", record.history.seconds);
}

template <class Epoch, class Field>
void visit_epoch(Epoch& epoch, const Field& field) {
  field("trainer.run.epoch.data_rows", epoch.rows);
  field("trainer.run.epoch.weight_unit", epoch.weight_unit);
  field("trainer.run.epoch.loss_sum", epoch.progress.loss_sum);
  field("trainer.run.epoch.weight_sum", epoch.progress.weight_sum);
  field("trainer.run.epoch.steps", epoch.progress.steps);
  field("trainer.run.epoch.rows", epoch.progress.rows);
  field("trainer.run.epoch.visited", epoch.progress.visited);
  field("trainer.run.epoch.learning_rate", epoch.progress.learning_rate);
  field("trainer.run.epoch.noise_variance", epoch.progress.noise.variance);
  field("trainer.run.epoch.noise_squared_norm", epoch.progress.noise.squared_norm);
}

template <class Best, class Field>
void visit_best(Best& best, const Field& field) {
  field("trainer.run.best.lowest", best.lowest);
  field("trainer.run.best.epochs_since", best.epochs_since);
}

// Lists of a number an epoch, each a tensor where it is not empty.
template <class History, class Field>
void visit_lists(History& history, const Field& field) {
  field("trainer.run.loss", history.loss);
  field("trainer.run.validation_loss", history.validation_loss);
  field("trainer.run.noise_scale", history.noise_scale);
  field("trainer.run.learning_rate", history.learning_rate);
}

// Such lists under the caller's names, which stand behind these prefixes.
template <class History, class Field>
void visit_named_lists(History& history, const Field& field) {
  field("trainer.run.metric.", history.metrics);
  field("trainer.run.validation_metric.", history.validation_metrics);
}

inline std::string state_key(std::size_t vector) {
  return "trainer.optimizer.state." + std::to_string(vector);
}

}  // namespace descend::trainer
