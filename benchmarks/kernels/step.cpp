// Microseconds of Trainer::step on a small batch, and of a step within run_epoch, from C++.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "descend/descend.hpp"
#include "timing.hpp"

namespace {

constexpr std::size_t kInputs = 8, kStepsOfEpoch = 100;

void measure(std::size_t batch_size) {
  using descend::Activation;
  const descend::Network network({kInputs, {{32, Activation::relu}, {32, Activation::relu}, {2}}});
  descend::TrainerOptions options;
  options.batch_size = batch_size;
  options.shuffle = false;
  descend::Trainer trainer(network, descend::Loss::softmax_cross_entropy, descend::SGD{}, options);
  const std::size_t rows = kStepsOfEpoch * batch_size;
  const std::vector<float> x(rows * kInputs, 0.5F);
  const std::vector<std::uint8_t> labels(rows, 1);
  const descend::ConstMatrixView inputs(x.data(), rows, kInputs);
  const descend::LabelView targets(labels.data(), rows);
  const double step = benchmarks::seconds_per_call(
      [&] { trainer.step(inputs.rows(0, batch_size), targets.rows(0, batch_size)); });
  const double epoch = benchmarks::seconds_per_call([&] { trainer.run_epoch(inputs, targets); });
  std::printf("8-32-32-2, batch of %3zu: step %6.2f us, in run_epoch %6.2f us\n", batch_size,
              1e6 * step, 1e6 * epoch / kStepsOfEpoch);
}

}  // namespace

int main() {
  for (const std::size_t batch_size : {1, 32}) measure(batch_size);
}
