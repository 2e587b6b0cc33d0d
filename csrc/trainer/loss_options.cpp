#include "trainer/loss_options.hpp"

#include <cmath>

#include "core/checks.hpp"

namespace descend::trainer {

using core::invalid;

std::size_t classes_of(Loss loss, std::size_t outputs) {
  if (loss == Loss::softmax_cross_entropy) return outputs;
  return loss == Loss::sigmoid_cross_entropy && outputs == 1 ? 2 : 0;
}

void check_class_weight(const char* where, const ClassWeight& class_weight, Loss loss,
                        std::size_t outputs) {
  if (!class_weight.any()) return;
  const std::size_t classes = classes_of(loss, outputs);
  if (classes == 0) {
    throw invalid(where, ": class_weight is for softmax_cross_entropy, and for ",
                  "sigmoid_cross_entropy with one output, but the loss is ", name(loss), " with ",
                  outputs, " outputs.");
  }
  if (class_weight.balanced) return;
  if (class_weight.weights.size() != classes) {
    throw invalid(where, ": class_weight has ", class_weight.weights.size(),
                  " weights, but there are ", classes, " classes; give one weight a class.");
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < classes; ++i) {
    const double weight = class_weight.weights[i];
    if (!(weight >= 0.0) || !std::isfinite(weight)) {
      throw invalid(where, ": class_weight is ", weight, " of class ", i,
                    ", expected finite numbers of at least 0.");
    }
    sum += weight;
  }
  if (sum == 0.0) throw invalid(where, ": every class_weight is 0, expected a sum above 0.");
}

void check_label_smoothing(const char* where, double smoothing, Loss loss) {
  if (!(smoothing >= 0.0 && smoothing < 1.0)) {
    throw invalid(where, ": label_smoothing must be in [0, 1), got ", smoothing, ".");
  }
  const bool smooths = loss == Loss::softmax_cross_entropy || loss == Loss::sigmoid_cross_entropy;
  if (smoothing > 0.0 && !smooths) {
    throw invalid(where, ": label_smoothing is for softmax_cross_entropy and ",
                  "sigmoid_cross_entropy, but the loss is ", name(loss), ".");
  }
}

}  // namespace descend::trainer
