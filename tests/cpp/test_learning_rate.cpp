// LearningRate: schedules, functions, and the way to plain data and back.
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"

namespace ds = descend;

namespace {

void test_a_number_is_a_constant_rate() {
  const ds::LearningRate rate = 0.25;
  CHECK(rate.constant() == 0.25);
  CHECK(rate.at(1) == 0.25 && rate.at(1000000) == 0.25);
  CHECK(!rate.warmed_up(4).constant());
  CHECK(rate.warmed_up(4).at(1) == 0.0625);
  CHECK_THROWS(rate.at(0), std::invalid_argument, "count from 1");
}

void test_a_description_gives_the_same_rates() {
  const std::vector<ds::LearningRate> rates = {
      0.1,
      ds::schedules::StepDecay{0.1, 7, 0.5},
      ds::schedules::Exponential{0.1, 7, 0.5},
      ds::LearningRate(ds::schedules::Cosine{0.1, 30, 0.01}).warmed_up(5, 0.5).per_epoch(),
      ds::schedules::Linear{0.0, 30, 0.1},
      ds::schedules::InverseScaling{0.1, 0.25},
      ds::schedules::OneCycle{0.1, 40}};
  for (const ds::LearningRate& rate : rates) {
    const ds::LearningRate again = ds::LearningRate::from(rate.description());
    CHECK(again.kind() == rate.kind());
    CHECK(again.counts_epochs() == rate.counts_epochs());
    for (std::uint64_t t = 1; t < 60; ++t) CHECK(again.at(t) == rate.at(t));
  }
  CHECK(ds::schedule_names().size() == rates.size());
}

void test_a_description_that_says_nothing_throws() {
  using ds::LearningRate;
  CHECK_THROWS(LearningRate::from({"cosin", {}}), std::invalid_argument, "known: constant");
  CHECK_THROWS(LearningRate::from({"cosine", {{"stps", 3.0}}}), std::invalid_argument, "stps");
  CHECK_THROWS(LearningRate::from({"cosine", {{"steps", 2.5}}}), std::invalid_argument, "steps");
  CHECK_THROWS(LearningRate::from({"cosine", {{"steps", 0.0}}}), std::invalid_argument, "steps");
  CHECK_THROWS(LearningRate::from({"cosine", {{"initial", std::nan("")}}}), std::invalid_argument,
               "initial");
  const LearningRate function([](std::uint64_t) { return 0.1; });
  CHECK_THROWS(function.description(), std::invalid_argument, "written down");
  CHECK_THROWS(LearningRate(LearningRate::Function()), std::invalid_argument, "empty");
}

void test_a_function_gives_each_steps_rate() {
  ds::SGD sgd;
  sgd.learning_rate = ds::LearningRate([](std::uint64_t t) { return t < 3 ? 1.0 : std::nan(""); });
  const ds::Network network({1, {{1}}, ds::Initializer::glorot_uniform, ds::DType::float64});
  ds::TrainerOptions options;
  options.batch_size = 1;
  ds::Trainer trainer(network, ds::Loss::squared_error, sgd, options);
  const std::vector<double> x = {0.0, 0.0, 0.0, 0.0};
  CHECK_THROWS(trainer.run_epoch({x.data(), 4, 1}, ds::ConstMatrixView(x.data(), 4, 1)),
               std::invalid_argument, "Trainer.run_epoch: learning_rate is nan at step 3");
  CHECK(trainer.steps() == 2);

  sgd.learning_rate =
      ds::LearningRate([](std::uint64_t) -> double { throw std::length_error("no rate"); });
  trainer.set_learning_rate(sgd.learning_rate);
  CHECK_THROWS(trainer.step({x.data(), 4, 1}, ds::ConstMatrixView(x.data(), 4, 1)),
               std::length_error, "no rate");
  trainer.set_learning_rate(ds::schedules::Linear{0.0, 10, 1.0});
  trainer.step({x.data(), 4, 1}, ds::ConstMatrixView(x.data(), 4, 1));
  CHECK(trainer.steps() == 3);
  CHECK_THROWS(trainer.set_learning_rate(ds::schedules::Cosine{-1.0, 10}), std::invalid_argument,
               "schedules.cosine: initial");
}

}  // namespace

int main() {
  test_a_number_is_a_constant_rate();
  test_a_description_gives_the_same_rates();
  test_a_description_that_says_nothing_throws();
  test_a_function_gives_each_steps_rate();
  return check_result();
}
