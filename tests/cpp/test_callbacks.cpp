// The caller's functions in a run: what they see, and how they end it.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"
#include "three_classes.hpp"

namespace ds = descend;

namespace {

// Rows that overlap: long to work on, and small.
struct OverlappingRows {
  static constexpr std::size_t kColumns = 4000;
  std::vector<float> x;
  std::vector<std::uint8_t> labels;
  ds::ConstMatrixView inputs;
  ds::LabelView targets;

  OverlappingRows(std::size_t rows, float value)
      : x(rows + kColumns, value),
        labels(rows),
        inputs(x.data(), rows, kColumns, 1),
        targets(labels.data(), rows) {}
};

ds::Network network_of(std::vector<ds::Dense> layers) {
  ds::NetworkSpec spec;
  spec.inputs = OverlappingRows::kColumns;
  spec.layers = std::move(layers);
  return ds::Network(spec, 1);
}

void test_a_run_interrupted_in_its_checks_changes_nothing() {
  const OverlappingRows rows(1'000'000, 1.0F);
  const ds::ConstMatrixView& inputs = rows.inputs;
  const ds::LabelView& targets = rows.targets;
  const ds::Network network = network_of({{2}});
  ds::TrainerOptions options;
  options.threads = 1;
  ds::Trainer trainer = small_trainer(network, options);
  const std::vector<float> before = parameters_of(network);
  int questions = 0;
  ds::FitOptions fit;
  fit.interrupted = [&] { return ++questions == 2; };
  const ds::History history = trainer.fit(inputs, targets, fit);
  CHECK(history.stop_reason == ds::StopReason::interrupted);
  CHECK(history.loss.empty());
  CHECK(questions == 2);
  CHECK(std::isnan(trainer.run_epoch(inputs, targets, nullptr, {}, [] { return true; })));
  CHECK(std::isnan(trainer.step(inputs, targets, {}, [] { return true; })));
  CHECK(trainer.epoch() == 0);
  CHECK(trainer.steps() == 0);
  CHECK(parameters_of(network) == before);
}

void test_what_a_question_throws_is_the_calls_own() {
  const OverlappingRows rows(20'000, 0.01F);
  const ds::ConstMatrixView& inputs = rows.inputs;
  const ds::LabelView& targets = rows.targets;
  const ds::Network network = network_of({{96}, {2}});
  for (const int threads : {1, 2}) {
    ds::TrainerOptions options;
    options.threads = threads;
    ds::Trainer trainer = small_trainer(network, options);
    const std::function<bool()> question = []() -> bool { throw std::logic_error("no more"); };
    const auto thrown = [&](const auto& call) {
      CHECK_THROWS(call(), std::logic_error, "no more");
    };
    ds::FitOptions fit;
    fit.interrupted = question;
    thrown([&] { trainer.fit(inputs, targets, fit); });
    thrown([&] { trainer.evaluate(inputs, targets, {}, {}, question); });
    std::vector<float> outputs(rows.labels.size() * 2), gradient(network.parameter_count());
    thrown([&] {
      network.predict(inputs, {outputs.data(), rows.labels.size(), 2}, threads, question);
    });
    thrown([&] {
      network.loss_and_gradient(inputs, targets, ds::Loss::softmax_cross_entropy,
                                {gradient.data(), gradient.size()}, {}, threads, question);
    });
    ds::GradientNoiseOptions noise;
    noise.threads = threads;
    noise.interrupted = question;
    thrown([&] {
      ds::gradient_noise(network, inputs, targets, ds::Loss::softmax_cross_entropy, noise);
    });
    // In its steps, without a check.
    const std::size_t epochs = trainer.epoch();
    thrown(
        [&] { trainer.run_epoch(inputs, targets, nullptr, {}, question, ds::InputCheck::none); });
    CHECK(trainer.epoch() == epochs + 1);
    trainer.run_epoch(inputs.rows(0, 64), targets.rows(0, 64));  // it is not at work
  }
}

void test_the_caller_can_end_a_run() {
  const Data data;
  ds::Trainer trainer = small_trainer(small_network());
  ds::FitOptions fit;
  fit.epochs = 100;
  fit.on_epoch = [](const ds::EpochReport& report) { return report.epoch < 3; };
  const ds::History history = trainer.fit(data.inputs(), data.targets(), fit);
  CHECK(history.stop_reason == ds::StopReason::interrupted);
  CHECK(history.loss.size() == 3);
}

void test_a_step_wise_callback_is_called_between_steps_and_changes_no_bit() {
  const Data data;
  ds::TrainerOptions options;
  options.batch_size = 20;
  options.l2 = 0.1;
  const ds::Network plain = small_network(), watched = small_network();
  ds::FitOptions fit;
  fit.epochs = 4;
  const ds::History expected =
      small_trainer(plain, options).fit(data.inputs(), data.targets(), fit);
  ds::Trainer trainer = small_trainer(watched, options);
  std::vector<std::size_t> steps;
  fit.every_n_steps = 3;
  fit.on_step = [&](const ds::StepReport& report) {
    CHECK(report.step == trainer.steps());
    CHECK(report.epoch == (report.step - 1) / 5 + 1);
    CHECK(trainer.epoch() == report.epoch - 1);  // the one at work is not counted yet
    CHECK(report.rows == std::min(((report.step - 1) % 5 + 1) * 20, kRows));
    CHECK(report.learning_rate == 0.02);
    CHECK(report.loss > 0 && report.seconds > 0);
    steps.push_back(report.step);
    // What is read stands still: neither the network nor the trainer is locked.
    CHECK(parameters_of(watched) == parameters_of(trainer.network()));
    std::vector<float> m(watched.parameter_count()), v(watched.parameter_count());
    trainer.get_optimizer_state({{m.data(), m.size()}, {v.data(), v.size()}});
    trainer.set_learning_rate(0.02);
    CHECK_THROWS(trainer.step(data.inputs(), data.targets()), std::runtime_error, "at work");
    CHECK_THROWS(trainer.fit(data.inputs(), data.targets()), std::runtime_error, "at work");
    return true;
  };
  const ds::History history = trainer.fit(data.inputs(), data.targets(), fit);
  CHECK(steps == (std::vector<std::size_t>{3, 6, 9, 12, 15, 18}));
  CHECK(history.loss == expected.loss);
  CHECK(history.steps == 20);
  CHECK(parameters_of(watched) == parameters_of(plain));
}

void test_a_learning_rate_set_in_a_callback_holds_from_the_next_step() {
  const Data data;
  const ds::Network by_fit = small_network(), by_step = small_network();
  ds::TrainerOptions options;
  options.batch_size = 32;
  options.shuffle = false;
  ds::Trainer fitted = small_trainer(by_fit, options), stepped = small_trainer(by_step, options);
  ds::FitOptions fit;
  fit.on_step = [&](const ds::StepReport& report) {
    fitted.set_learning_rate(0.01 * static_cast<double>(report.step));
    return true;
  };
  fitted.fit(data.inputs(), data.targets(), fit);
  for (std::size_t step = 0; step < 3; ++step) {
    const std::size_t begin = 32 * step;
    stepped.step(data.inputs().rows(begin, begin + 32), data.targets().rows(begin, begin + 32));
    stepped.set_learning_rate(0.01 * static_cast<double>(step + 1));
  }
  CHECK(parameters_of(by_fit) == parameters_of(by_step));
}

void test_a_step_wise_callback_ends_the_run_at_its_step() {
  const Data data;
  const auto end_at = [&data](std::size_t last, bool by_exception) {
    ds::TrainerOptions options;
    options.batch_size = 20;
    ds::Trainer trainer = small_trainer(small_network(), options);
    ds::FitOptions fit;
    fit.epochs = 4;
    fit.on_step = [&](const ds::StepReport& report) {
      if (report.step == last && by_exception) throw std::domain_error("of the caller's own");
      return report.step != last;
    };
    if (by_exception) {
      CHECK_THROWS(trainer.fit(data.inputs(), data.targets(), fit), std::domain_error, "own");
    } else {
      const ds::History history = trainer.fit(data.inputs(), data.targets(), fit);
      CHECK(history.stop_reason == ds::StopReason::interrupted);
      CHECK(history.steps == last);
      CHECK(history.loss.size() == (last + 4) / 5);
    }
    CHECK(trainer.steps() == last);
    CHECK(trainer.epoch() == (last + 4) / 5);
    // The trainer works on, with a new epoch.
    trainer.fit(data.inputs(), data.targets());
    CHECK(trainer.steps() == last + 5);
  };
  for (const std::size_t last : {1, 4, 5, 7, 20}) {
    end_at(last, false);
    end_at(last, true);
  }
  ds::FitOptions fit;
  fit.every_n_steps = 0;
  CHECK_THROWS(small_trainer(small_network()).fit(data.inputs(), data.targets(), fit),
               std::invalid_argument, "every_n_steps");
}

void test_a_step_wise_callback_and_max_steps_may_meet() {
  const Data data;
  for (const std::size_t most : {3, 5, 6, 7}) {
    ds::TrainerOptions options;
    options.batch_size = 20;
    ds::Trainer trainer = small_trainer(small_network(), options);
    std::size_t calls = 0;
    ds::FitOptions fit;
    fit.epochs = 4;
    fit.stop.max_steps = most;
    fit.every_n_steps = 3;
    fit.on_step = [&calls](const ds::StepReport&) { return ++calls > 0; };
    const ds::History history = trainer.fit(data.inputs(), data.targets(), fit);
    CHECK(history.stop_reason == ds::StopReason::max_steps);
    CHECK(history.steps == most);
    CHECK(calls == most / 3);
  }
}

}  // namespace

int main() {
  test_a_run_interrupted_in_its_checks_changes_nothing();
  test_what_a_question_throws_is_the_calls_own();
  test_the_caller_can_end_a_run();
  test_a_step_wise_callback_is_called_between_steps_and_changes_no_bit();
  test_a_learning_rate_set_in_a_callback_holds_from_the_next_step();
  test_a_step_wise_callback_ends_the_run_at_its_step();
  test_a_step_wise_callback_and_max_steps_may_meet();
  return check_result();
}
