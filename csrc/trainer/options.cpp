#include "trainer/options.hpp"

#include <limits>
#include <optional>

#include "core/checks.hpp"
#include "core/thread_team.hpp"
#include "engine/cuda_engine.hpp"
#include "trainer/loss_options.hpp"

namespace descend::trainer {

namespace {

using core::invalid;

void check_penalty(const char* what, double value) {
  // In float32 it multiplies the weights as a float32.
  if (!(value >= 0 && value <= std::numeric_limits<float>::max())) {
    throw invalid("Trainer: ", what, " must be at least 0 and within the range of float32, got ",
                  value, ".");
  }
}

void check_bound(const char* what, std::optional<double> value) {
  if (value && !(*value > 0 && *value <= std::numeric_limits<float>::max())) {
    throw invalid("Trainer: ", what, " must be above 0 and within the range of float32, got ",
                  *value, ".");
  }
}

}  // namespace

void check_options(const TrainerOptions& options, Loss loss, std::size_t outputs) {
  if (options.batch_size && *options.batch_size == 0) {
    throw invalid("Trainer: batch_size must be at least 1 (or none, for all rows), got 0.");
  }
  core::check_threads("Trainer", options.threads);
  check_penalty("l2", options.l2);
  check_penalty("l1", options.l1);
  if (options.track_gradient_noise && options.batch_size == std::size_t{1}) {
    throw invalid(
        "Trainer: track_gradient_noise needs a batch_size of at least 2 (or none, for all rows), "
        "got 1: a minibatch of one row shows no noise.");
  }
  check_bound("clip_norm", options.clip_norm);
  check_bound("clip_value", options.clip_value);
  const std::optional<double> decay = options.average_decay;
  if (decay && !(*decay >= 0 && *decay < 1)) {
    throw invalid("Trainer: average_decay must be in [0, 1), got ", *decay, ".");
  }
  check_class_weight("Trainer", options.class_weight, loss, outputs);
  check_label_smoothing("Trainer", options.label_smoothing, loss);
  if (options.device == Device::cuda) {
    if (options.track_gradient_noise) {
      throw invalid(
          "Trainer: track_gradient_noise is measured on device 'cpu' alone, got device 'cuda'; "
          "device 'cpu' trains to the same bits.");
    }
    engine::check_cuda_device("Trainer");
  }
}

}  // namespace descend::trainer
