// Microseconds of Network::predict on one row, from C++.
#include <cstdio>
#include <vector>

#include "descend/descend.hpp"
#include "timing.hpp"

int main() {
  using descend::Activation;
  const descend::Network network({8, {{32, Activation::relu}, {32, Activation::relu}, {2}}});
  const std::vector<float> row(network.inputs(), 0.5f);
  std::vector<float> outputs(network.outputs());
  const double seconds = benchmarks::seconds_per_call(
      [&] { network.predict({row.data(), 1, row.size()}, {outputs.data(), 1, outputs.size()}); });
  std::printf("8-32-32-2, one row: %.3f us\n", 1e6 * seconds);
}
