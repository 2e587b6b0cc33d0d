// Tells two interleaved half circles apart.
//   two_moons train MODEL          trains a 2-32-32-2 network and saves it
//   two_moons predict MODEL X Y    loads it and prints its two outputs (logits) at the point (X, Y)
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <random>
#include <string>
#include <vector>

#include <descend/descend.hpp>

namespace ds = descend;

namespace {

struct Points {
  std::vector<float> coordinates;  // (rows, 2)
  std::vector<std::int32_t> labels;

  std::size_t rows() const { return labels.size(); }
  ds::ConstMatrixView inputs() const { return {coordinates.data(), rows(), 2}; }
  ds::LabelView targets() const { return {labels.data(), rows()}; }
};

Points two_moons(std::size_t rows, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> angle(0.0F, 3.14159265F);
  std::normal_distribution<float> noise(0.0F, 0.1F);
  Points points;
  for (std::size_t row = 0; row < rows; ++row) {
    const bool lower = row % 2 == 1;
    const float t = angle(engine);
    const float x = lower ? 1.0F - std::cos(t) : std::cos(t);
    const float y = lower ? 0.5F - std::sin(t) : std::sin(t);
    points.coordinates.push_back(x + noise(engine));
    points.coordinates.push_back(y + noise(engine));
    points.labels.push_back(lower ? 1 : 0);
  }
  return points;
}

double accuracy(const ds::Network& network, const Points& points) {
  std::vector<float> logits(points.rows() * 2);
  network.predict(points.inputs(), {logits.data(), points.rows(), 2});
  std::size_t right = 0;
  for (std::size_t row = 0; row < points.rows(); ++row) {
    const int predicted = logits[2 * row + 1] > logits[2 * row] ? 1 : 0;
    right += predicted == points.labels[row] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(points.rows());
}

void train(const std::string& path) {
  const Points training = two_moons(1000, 1);
  const Points validation = two_moons(500, 2);

  ds::NetworkSpec spec;
  spec.inputs = 2;
  spec.layers = {{32, ds::Activation::relu}, {32, ds::Activation::relu}, {2}};
  spec.init = ds::Initializer::he_normal;
  const ds::Network network(spec, /*seed=*/0);

  ds::Adam adam;
  adam.learning_rate = 5e-3;
  ds::TrainerOptions options;
  options.batch_size = 32;
  ds::Trainer trainer(network, ds::Loss::softmax_cross_entropy, adam, options);

  ds::FitOptions fit;
  fit.epochs = 100;
  fit.validation_inputs = validation.inputs();
  fit.validation_targets = validation.targets();
  fit.stop.patience = 10;
  const ds::History history = trainer.fit(training.inputs(), training.targets(), fit);

  std::printf("loss: %.6f -> %.6f\n", history.loss.front(), history.loss.back());
  std::printf("stopped after %zu epochs: %s\n", history.loss.size(),
              ds::name(history.stop_reason).c_str());
  std::printf("validation accuracy: %.3f\n", accuracy(network, validation));
  network.save(path);
  std::printf("saved: %s\n", path.c_str());
}

void predict(const std::string& path, float x, float y) {
  const ds::Network network = ds::Network::load(path);
  const float point[] = {x, y};
  float logits[2];
  network.predict({point, 1, 2}, {logits, 1, 2});
  std::printf("%.9g %.9g\n", logits[0], logits[1]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 2 && arguments[0] == "train") {
      train(arguments[1]);
    } else if (arguments.size() == 4 && arguments[0] == "predict") {
      predict(arguments[1], std::stof(arguments[2]), std::stof(arguments[3]));
    } else {
      std::fputs("usage: two_moons train MODEL | two_moons predict MODEL X Y\n", stderr);
      return 2;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "two_moons: %s\n", error.what());
    return 1;
  }
  return 0;
}
