// Trainer: minibatches, stopping conditions, options, and errors.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"
#include "three_classes.hpp"

namespace ds = descend;

namespace {

void test_fit_learns_and_reports_every_epoch() {
  const Data data;
  const ds::Network network = small_network();
  ds::TrainerOptions options;
  options.batch_size = 20;
  ds::Trainer trainer = small_trainer(network, options);
  std::size_t epochs_seen = 0;
  ds::FitOptions fit;
  fit.epochs = 60;
  fit.on_epoch = [&epochs_seen](const ds::EpochReport& report) {
    CHECK(report.epoch == ++epochs_seen);
    CHECK(report.rows == kRows);
    return true;
  };
  const ds::History history = trainer.fit(data.inputs(), data.targets(), fit);
  CHECK(epochs_seen == 60);
  CHECK(history.loss.size() == 60);
  CHECK(history.steps == 60 * 5);  // four batches of 20 and one of 16
  CHECK(history.stop_reason == ds::StopReason::epochs);
  CHECK(history.loss.back() < 0.3 * history.loss.front());
  CHECK(trainer.epoch() == 60);
  CHECK(trainer.steps() == 300);
  // The trainer shares the parameters of the network that it was given.
  CHECK(network.loss(data.inputs(), data.targets(), ds::Loss::softmax_cross_entropy) < 0.3);
}

void test_metrics_are_measured_after_every_epoch() {
  const Data data;
  ds::Trainer trainer = small_trainer(small_network());
  ds::CustomMetric rows;
  rows.name = "rows";
  rows.compute = [](ds::ConstMatrixView outputs, const ds::Targets& targets) {
    CHECK(outputs.columns() == 3);
    CHECK(targets.are_labels());
    CHECK(targets.rows() == outputs.rows());
    return static_cast<double>(outputs.rows());
  };
  ds::FitOptions fit;
  fit.epochs = 30;
  fit.metrics = {ds::MetricKind::accuracy, ds::Metric{ds::MetricKind::top_k_accuracy, 2}, rows};
  fit.validation_inputs = data.inputs().rows(0, 10);
  fit.validation_targets = data.targets().rows(0, 10);
  fit.on_epoch = [](const ds::EpochReport& report) {
    CHECK(report.metrics.size() == 3);
    CHECK(report.validation_metrics.at("rows") == 10.0);
    return true;
  };
  const ds::History history = trainer.fit(data.inputs(), data.targets(), fit);
  CHECK(history.metrics.at("accuracy").size() == 30);
  CHECK(history.metrics.at("accuracy").back() > 0.8);
  CHECK(history.metrics.at("top_2_accuracy").back() >= history.metrics.at("accuracy").back());
  CHECK(history.metrics.at("rows").front() == static_cast<double>(kRows));
  CHECK(history.learning_rate.size() == 30);

  const auto evaluation =
      trainer.evaluate(fit.validation_inputs, fit.validation_targets, {ds::MetricKind::accuracy});
  CHECK(evaluation->loss == history.validation_loss.back());
  CHECK(evaluation->metrics.at("accuracy") == history.validation_metrics.at("accuracy").back());
  fit.metrics = {rows, rows};
  CHECK_THROWS(trainer.fit(data.inputs(), data.targets(), fit), std::invalid_argument,
               "two metrics are named rows");
  fit.metrics = {ds::CustomMetric{"nothing", {}}};
  CHECK_THROWS(trainer.fit(data.inputs(), data.targets(), fit), std::invalid_argument,
               "no function");
}

void test_the_same_seed_gives_the_same_parameters_on_any_number_of_threads() {
  const Data data;
  const auto trained = [&data](int threads) {
    const ds::Network network = small_network();
    ds::TrainerOptions options;
    options.threads = threads;
    ds::Trainer trainer = small_trainer(network, options);
    ds::FitOptions fit;
    fit.epochs = 5;
    trainer.fit(data.inputs(), data.targets(), fit);
    return parameters_of(network);
  };
  CHECK(trained(1) == trained(3));
}

void test_step_by_step_is_an_epoch_in_the_given_order() {
  const Data data;
  const ds::Network by_epoch = small_network();
  const ds::Network by_step = small_network();
  ds::TrainerOptions options;
  options.batch_size = 32;
  std::vector<std::size_t> order(kRows);
  for (std::size_t row = 0; row < kRows; ++row) order[row] = row;

  const double mean =
      small_trainer(by_epoch, options).run_epoch(data.inputs(), data.targets(), &order);
  ds::Trainer trainer = small_trainer(by_step, options);
  double sum = 0;
  for (std::size_t begin = 0; begin < kRows; begin += 32) {
    sum +=
        trainer.step(data.inputs().rows(begin, begin + 32), data.targets().rows(begin, begin + 32));
  }
  CHECK(parameters_of(by_epoch) == parameters_of(by_step));
  CHECK(mean > 0.999999 * sum / 3 && mean < 1.000001 * sum / 3);
}

void test_each_condition_ends_the_run_with_its_reason() {
  const Data data;
  const auto reason = [&data](const ds::Stop& stop) {
    ds::TrainerOptions options;
    options.batch_size.reset();
    ds::FitOptions fit;
    fit.epochs = 1000;
    fit.stop = stop;
    return small_trainer(small_network(), options)
        .fit(data.inputs(), data.targets(), fit)
        .stop_reason;
  };
  ds::Stop stop;
  stop.max_steps = 7;
  CHECK(reason(stop) == ds::StopReason::max_steps);
  stop = {};
  stop.target_loss = 1.0;
  CHECK(reason(stop) == ds::StopReason::target_loss);
  stop = {};
  stop.loss_change = 0.01;
  CHECK(reason(stop) == ds::StopReason::loss_change);
  stop = {};
  stop.parameter_change = 0.05;
  CHECK(reason(stop) == ds::StopReason::parameter_change);
  stop = {};
  stop.seconds = 1e-9;
  CHECK(reason(stop) == ds::StopReason::seconds);
}

void test_batches_of_the_caller_are_steps() {
  const Data data;
  const ds::Network by_batches = small_network(), by_rows = small_network();
  ds::TrainerOptions options;
  options.batch_size = 40;
  options.shuffle = false;
  std::size_t begin = 0, passes = 0;
  const ds::NextBatch next = [&](ds::Batch& batch) {
    if (begin == kRows) return false;
    const std::size_t end = std::min(begin + 40, kRows);
    batch = {data.inputs().rows(begin, end), data.targets().rows(begin, end), {}};
    begin = end;
    return true;
  };
  const ds::BatchSource source = [&] {
    begin = 0;
    ++passes;
    return next;
  };
  ds::FitOptions fit;
  fit.epochs = 5;
  const ds::History history = small_trainer(by_batches).fit(source, fit);
  const ds::History expected =
      small_trainer(by_rows, options).fit(data.inputs(), data.targets(), fit);
  CHECK(passes == 5);
  CHECK(history.loss == expected.loss);
  CHECK(history.steps == 15);
  CHECK(parameters_of(by_batches) == parameters_of(by_rows));

  ds::Trainer trainer = small_trainer(by_batches);
  const ds::BatchSource empty = [] { return [](ds::Batch&) { return false; }; };
  CHECK_THROWS(trainer.fit(empty), std::invalid_argument, "epoch 1 has no batch");
  const ds::BatchSource wide = [&] {
    return [&](ds::Batch& batch) {
      batch = {{data.x.data(), 2, 2}, data.targets().rows(0, 2), {}};
      return true;
    };
  };
  CHECK_THROWS(trainer.fit(wide), std::invalid_argument, "Trainer.fit: batch 0: X has shape");
  CHECK(trainer.epoch() == 0 && trainer.steps() == 0);
}

void test_bad_data_throw_and_change_nothing() {
  Data data;
  const ds::Network network = small_network();
  ds::Trainer trainer = small_trainer(network);
  const std::vector<float> before = parameters_of(network);

  data.labels[5] = 3;
  CHECK_THROWS(trainer.fit(data.inputs(), data.targets()), std::invalid_argument, "3");
  data.labels[5] = 0;
  data.x[9] = std::numeric_limits<float>::infinity();
  CHECK_THROWS(trainer.fit(data.inputs(), data.targets()), std::invalid_argument, "");
  data.x[9] = 0;
  CHECK_THROWS(trainer.step(data.inputs(), data.targets().rows(0, 4)), std::invalid_argument, "4");
  const std::vector<std::size_t> order = {0, kRows};
  CHECK_THROWS(trainer.run_epoch(data.inputs(), data.targets(), &order), std::invalid_argument,
               "96");
  const std::vector<float> weights(kRows, 0.0F);
  ds::FitOptions fit;
  fit.sample_weight = {weights.data(), kRows};
  CHECK_THROWS(trainer.fit(data.inputs(), data.targets(), fit), std::invalid_argument, "");

  CHECK(parameters_of(network) == before);
  CHECK(trainer.steps() == 0);
}

void test_bad_options_throw() {
  ds::TrainerOptions options;
  options.batch_size = 0;
  CHECK_THROWS(small_trainer(small_network(), options), std::invalid_argument, "batch_size");
  options = {};
  options.clip_norm = 0.0;
  CHECK_THROWS(small_trainer(small_network(), options), std::invalid_argument, "clip_norm");
  options = {};
  options.l2 = -1;
  CHECK_THROWS(small_trainer(small_network(), options), std::invalid_argument, "l2");
  ds::Adam adam;
  adam.beta2 = 1.0;
  CHECK_THROWS(ds::Trainer(small_network(), ds::Loss::softmax_cross_entropy, adam),
               std::invalid_argument, "beta2");
}

void test_a_diverging_run_keeps_the_last_finite_parameters() {
  const std::vector<double> x = {1e200, 1};
  const std::vector<double> y = {0, 0};
  ds::NetworkSpec spec;
  spec.inputs = 1;
  spec.layers = {{1}};
  spec.dtype = ds::DType::float64;
  const ds::Network network(spec, 3);
  std::vector<double> before(network.parameter_count());
  network.get_parameters({before.data(), before.size()});

  ds::Trainer trainer(network, ds::Loss::squared_error);
  CHECK_THROWS(trainer.fit({x.data(), 2, 1}, ds::ConstMatrixView(y.data(), 2, 1)),
               ds::NonFiniteLoss, "step");
  std::vector<double> after(network.parameter_count());
  network.get_parameters({after.data(), after.size()});
  CHECK(after == before);
}

void test_a_trainer_goes_on_from_another_ones_state() {
  const Data data;
  const ds::Network network = small_network();
  ds::TrainerOptions options;
  options.batch_size = 40;
  options.l2 = 0.5;
  options.divide_penalty = true;
  ds::Trainer first = small_trainer(network, options);
  first.run_epoch(data.inputs(), data.targets());
  const std::vector<ds::StepTerms> steps = first.last_steps();
  CHECK(steps.size() == 3);
  CHECK(steps[0].weight == 40 && steps[2].weight == kRows - 80);
  CHECK(steps[0].penalty > 0);

  const std::size_t size = network.parameter_count();
  std::vector<float> m(size), v(size);
  first.get_optimizer_state({{m.data(), size}, {v.data(), size}});
  const ds::Network copy = network;
  ds::Trainer second = small_trainer(copy, options);
  const std::vector<ds::ConstVectorView> vectors = {{m.data(), size}, {v.data(), size}};
  second.set_optimizer_state(first.steps(), vectors);
  second.set_learning_rate(0.01);
  first.set_learning_rate(0.01);
  CHECK(second.step(data.inputs(), data.targets()) == first.step(data.inputs(), data.targets()));
  CHECK(parameters_of(copy) == parameters_of(network));

  m[1] = std::numeric_limits<float>::infinity();
  CHECK_THROWS(second.set_optimizer_state(0, vectors), std::invalid_argument, "is inf");
  CHECK_THROWS(second.set_learning_rate(0.0), std::invalid_argument, "learning_rate");
  CHECK(second.steps() == 4);
}

void test_an_average_of_clipped_steps_is_kept() {
  const Data data;
  const ds::Network network = small_network();
  ds::TrainerOptions options;
  options.clip_norm = 1e-3;
  options.clip_value = 1.0;
  options.average_decay = 0.5;
  ds::Trainer trainer(network, ds::Loss::softmax_cross_entropy, ds::SGD{1.0}, options);
  const std::vector<float> before = parameters_of(network);
  trainer.step(data.inputs(), data.targets());
  const std::vector<float> after = parameters_of(network);
  const std::vector<float> average = parameters_of(trainer.averaged_network());
  double squares = 0.0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    squares += std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
    CHECK(average[i] == 0.5F * before[i] + 0.5F * after[i]);
  }
  CHECK(std::abs(std::sqrt(squares) - 1e-3) < 1e-6);

  trainer.set_averaged_parameters({before.data(), before.size()});
  CHECK(parameters_of(trainer.averaged_network()) == before);
  CHECK_THROWS(trainer.set_averaged_parameters({before.data(), 3}), std::invalid_argument,
               "3 elements");
  ds::Trainer other = small_trainer(network);
  CHECK_THROWS(other.averaged_network(), std::invalid_argument, "average_decay");
  CHECK_THROWS(other.set_averaged_parameters({before.data(), before.size()}), std::invalid_argument,
               "average_decay");
}

void test_class_weights_are_row_weights() {
  const Data data;
  const ds::Network weighted = small_network(), by_rows = small_network();
  ds::TrainerOptions options;
  options.class_weight.weights = {0.5, 2.0, 1.0};
  std::vector<double> row_weights;
  for (const std::uint8_t label : data.labels) {
    row_weights.push_back(options.class_weight.weights[label]);
  }
  ds::Trainer first = small_trainer(weighted, options), second = small_trainer(by_rows);
  const ds::ConstVectorView view(row_weights.data(), row_weights.size());
  for (int i = 0; i < 3; ++i) {
    CHECK(first.run_epoch(data.inputs(), data.targets()) ==
          second.run_epoch(data.inputs(), data.targets(), nullptr, view));
  }
  CHECK(parameters_of(weighted) == parameters_of(by_rows));
  options.class_weight.weights = {1.0};
  CHECK_THROWS(small_trainer(weighted, options), std::invalid_argument, "3 classes");
  options = {};
  options.label_smoothing = 1.0;
  CHECK_THROWS(small_trainer(weighted, options), std::invalid_argument, "label_smoothing");
  options.label_smoothing = 0.5;
  ds::Trainer smoothed = small_trainer(weighted, options);
  CHECK(smoothed.step(data.inputs(), data.targets()) > first.step(data.inputs(), data.targets()));
}

}  // namespace

int main() {
  test_fit_learns_and_reports_every_epoch();
  test_metrics_are_measured_after_every_epoch();
  test_the_same_seed_gives_the_same_parameters_on_any_number_of_threads();
  test_step_by_step_is_an_epoch_in_the_given_order();
  test_each_condition_ends_the_run_with_its_reason();
  test_batches_of_the_caller_are_steps();
  test_bad_data_throw_and_change_nothing();
  test_bad_options_throw();
  test_a_diverging_run_keeps_the_last_finite_parameters();
  test_a_trainer_goes_on_from_another_ones_state();
  test_an_average_of_clipped_steps_is_kept();
  test_class_weights_are_row_weights();
  return check_result();
}
