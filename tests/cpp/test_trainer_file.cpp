// Trainer::save and load: what comes back, what goes on from there, and what is refused.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"

namespace ds = descend;
namespace fs = std::filesystem;

namespace {

const fs::path kFolder =
    fs::temp_directory_path() / ("descend_test_trainer_file_" + std::to_string(getpid()));
const std::string kPath = (kFolder / "trainer.safetensors").string();

constexpr std::size_t kRows = 50;

// A line with noise that a small network follows too closely.
struct Data {
  std::vector<double> x = std::vector<double>(2 * kRows), y = std::vector<double>(kRows);
  Data() {
    for (std::size_t row = 0; row < kRows; ++row) {
      x[2 * row] = static_cast<double>(row) / kRows - 0.5;
      x[2 * row + 1] = static_cast<double>(row * row % 7) / 7;
      y[row] = x[2 * row] + static_cast<double>(row * 37 % 11) / 11;
    }
  }
  ds::ConstMatrixView inputs() const { return {x.data(), kRows, 2}; }
  ds::ConstMatrixView targets() const { return {y.data(), kRows, 1}; }
};

ds::Network small_network() {
  ds::NetworkSpec spec;
  spec.inputs = 2;
  spec.layers = {{24, ds::Activation::tanh, 0.25}, {1}};
  spec.dtype = ds::DType::float64;
  return ds::Network(spec, 5);
}

ds::Trainer small_trainer(int threads = 1) {
  ds::AdamW rule;
  rule.learning_rate = 0.1 / 3;
  ds::TrainerOptions options;
  options.batch_size = 8;
  options.seed = std::numeric_limits<std::uint64_t>::max() - 3;
  options.threads = threads;
  options.l2 = 1.0 / 7;
  options.divide_penalty = true;
  return ds::Trainer(small_network(), ds::Loss::squared_error, rule, options);
}

// Of every row's output, so that one of another step is noticed.
double output_sum(ds::ConstMatrixView outputs, const ds::Targets&) {
  double sum = 0.0;
  for (std::size_t row = 0; row < outputs.rows(); ++row) {
    sum += static_cast<const double*>(outputs.row(row))[0] * static_cast<double>(row + 1);
  }
  return sum;
}

// 7 steps an epoch, watched by patience and parameter_change, and measured.
ds::FitOptions fit_options(const Data& data, std::size_t epochs) {
  ds::FitOptions fit;
  fit.epochs = epochs;
  fit.validation_inputs = data.inputs().rows(0, 20);
  fit.validation_targets = data.targets().rows(0, 20);
  fit.stop.patience = 3;
  fit.stop.parameter_change = 1e-9;
  fit.metrics = {ds::MetricKind::r2, ds::CustomMetric{"output sum", output_sum}};
  return fit;
}

std::vector<double> parameters_of(const ds::Trainer& trainer) {
  const ds::Network network = trainer.network();
  std::vector<double> parameters(network.parameter_count());
  network.get_parameters({parameters.data(), parameters.size()});
  return parameters;
}

std::vector<double> optimizer_state_of(const ds::Trainer& trainer) {
  const std::size_t count = trainer.network().parameter_count();
  std::vector<double> vectors(2 * count);
  trainer.get_optimizer_state({{vectors.data(), count}, {vectors.data() + count, count}});
  return vectors;
}

void check_equal(const ds::Trainer& trainer, const ds::Trainer& expected) {
  CHECK(parameters_of(trainer) == parameters_of(expected));
  CHECK(optimizer_state_of(trainer) == optimizer_state_of(expected));
  CHECK(trainer.epoch() == expected.epoch());
  CHECK(trainer.steps() == expected.steps());
}

void check_equal(const ds::History& history, const ds::History& expected) {
  CHECK(history.loss == expected.loss);
  CHECK(history.validation_loss == expected.validation_loss);
  CHECK(history.metrics == expected.metrics);
  CHECK(history.validation_metrics == expected.validation_metrics);
  CHECK(history.learning_rate == expected.learning_rate);
  CHECK(history.steps == expected.steps);
  CHECK(history.stop_reason == expected.stop_reason);
}

std::string read_file(const std::string& path = kPath) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void test_a_trainer_between_two_runs_comes_back() {
  const Data data;
  ds::Trainer trainer = small_trainer();
  trainer.run_epoch(data.inputs(), data.targets());
  trainer.step(data.inputs(), data.targets());
  trainer.save(kPath);
  ds::Trainer loaded = ds::Trainer::load(kPath, 2);
  check_equal(loaded, trainer);
  CHECK(!loaded.unfinished_run());
  CHECK(loaded.loss() == ds::Loss::squared_error);
  CHECK(ds::name(loaded.optimizer()) == "AdamW");
  CHECK(std::get<ds::AdamW>(loaded.optimizer()).learning_rate == 0.1 / 3);
  CHECK(loaded.options().seed == std::numeric_limits<std::uint64_t>::max() - 3);
  CHECK(loaded.options().batch_size == 8);
  CHECK(loaded.options().threads == 2);
  CHECK(loaded.options().l2 == 1.0 / 7 && loaded.options().divide_penalty);
  loaded.save(kPath + ".again");
  CHECK(read_file(kPath + ".again") == read_file());
  const ds::FitOptions fit = fit_options(data, 5);
  check_equal(loaded.fit(data.inputs(), data.targets(), fit),
              trainer.fit(data.inputs(), data.targets(), fit));
  check_equal(loaded, trainer);
}

void test_a_run_saved_at_any_step_goes_on_to_the_same_bits() {
  const Data data;
  ds::Trainer whole = small_trainer();
  const ds::History expected = whole.fit(data.inputs(), data.targets(), fit_options(data, 40));
  CHECK(expected.stop_reason == ds::StopReason::patience);
  for (std::size_t at = 1; at <= expected.steps; ++at) {
    ds::Trainer cut = small_trainer();
    ds::FitOptions fit = fit_options(data, 40);
    std::size_t epochs_done = 0;
    fit.on_step = [&](const ds::StepReport& report) {
      if (report.step != at) return true;
      epochs_done = cut.epoch();
      CHECK(cut.unfinished_run()->loss.size() == epochs_done);
      cut.save(kPath);
      return false;
    };
    cut.fit(data.inputs(), data.targets(), fit);
    ds::Trainer loaded = ds::Trainer::load(kPath, at % 2 == 0 ? 3 : 1);
    CHECK(loaded.epoch() == epochs_done && epochs_done == (at - 1) / 7);
    CHECK(loaded.steps() == at);
    CHECK(loaded.unfinished_run()->loss.size() == epochs_done);
    fit = fit_options(data, 40 - loaded.epoch());
    check_equal(loaded.fit(data.inputs(), data.targets(), fit), expected);
    check_equal(loaded, whole);
    CHECK(!loaded.unfinished_run());
  }
}

void test_a_run_saved_after_any_epoch_goes_on_to_the_same_bits() {
  const Data data;
  ds::Trainer whole = small_trainer();
  const ds::History expected = whole.fit(data.inputs(), data.targets(), fit_options(data, 40));
  const std::size_t epochs = expected.loss.size();
  for (std::size_t at = 1; at <= epochs; ++at) {
    ds::Trainer cut = small_trainer();
    ds::FitOptions fit = fit_options(data, 40);
    fit.on_epoch = [&](const ds::EpochReport& report) {
      if (report.epoch == at) cut.save(kPath);
      return report.epoch < at;
    };
    cut.fit(data.inputs(), data.targets(), fit);
    ds::Trainer loaded = ds::Trainer::load(kPath);
    CHECK(loaded.epoch() == at);
    // The one saved in its last epoch trains no more.
    check_equal(loaded.fit(data.inputs(), data.targets(), fit_options(data, 40 - at)), expected);
    check_equal(loaded, whole);
  }
}

void test_a_run_of_which_no_epoch_is_left_is_ended() {
  const Data data;
  ds::Trainer whole = small_trainer();
  ds::FitOptions fit = fit_options(data, 4);
  fit.stop.patience = 100;
  fit.on_epoch = [&](const ds::EpochReport& report) {
    if (report.epoch == 4) whole.save(kPath);
    return true;
  };
  const ds::History expected = whole.fit(data.inputs(), data.targets(), fit);
  ds::Trainer loaded = ds::Trainer::load(kPath);
  fit.epochs = 0;
  check_equal(loaded.fit(data.inputs(), data.targets(), fit), expected);
  check_equal(loaded, whole);  // with the best parameters
  CHECK_THROWS(loaded.fit(data.inputs(), data.targets(), fit), std::invalid_argument, "got 0");
}

void test_a_run_that_was_told_to_end_ends() {
  const Data data;
  for (const bool by_step : {false, true}) {
    ds::Trainer trainer = small_trainer();
    ds::FitOptions fit = fit_options(data, 9);
    const auto end = [&] {
      trainer.end_run();
      trainer.save(kPath);
      return true;
    };
    fit.every_n_steps = 10;
    if (by_step) {
      fit.on_step = [&](const ds::StepReport&) { return end(); };
    } else {
      fit.on_epoch = [&](const ds::EpochReport& report) { return report.epoch < 2 || end(); };
    }
    const ds::History expected = trainer.fit(data.inputs(), data.targets(), fit);
    CHECK(expected.stop_reason == ds::StopReason::interrupted);
    CHECK(expected.steps == (by_step ? 10 : 14));
    ds::Trainer loaded = ds::Trainer::load(kPath);
    check_equal(loaded.fit(data.inputs(), data.targets(), fit_options(data, 9)), expected);
    check_equal(loaded, trainer);
  }
}

ds::Trainer saved_within_an_epoch(const Data& data) {
  ds::Trainer trainer = small_trainer();
  ds::FitOptions fit = fit_options(data, 9);
  fit.every_n_steps = 10;
  fit.on_step = [&](const ds::StepReport&) {
    trainer.save(kPath);
    return false;
  };
  trainer.fit(data.inputs(), data.targets(), fit);
  return ds::Trainer::load(kPath);
}

void test_another_number_of_rows_is_an_error_that_keeps_the_run() {
  const Data data;
  ds::Trainer loaded = saved_within_an_epoch(data);
  const std::vector<double> before = parameters_of(loaded);
  const ds::FitOptions fit = fit_options(data, 8);
  CHECK_THROWS(loaded.fit(data.inputs().rows(0, 49), data.targets().rows(0, 49), fit),
               std::invalid_argument, "X has 49 rows");
  ds::FitOptions none = fit;
  none.epochs = 0;
  CHECK_THROWS(loaded.fit(data.inputs(), data.targets(), none), std::invalid_argument,
               "the unfinished one");
  CHECK_THROWS(loaded.step(data.inputs(), data.targets()), std::runtime_error, "discard_run");
  CHECK_THROWS(loaded.run_epoch(data.inputs(), data.targets()), std::runtime_error, "discard_run");
  CHECK(parameters_of(loaded) == before);
  CHECK(loaded.unfinished_run()->loss.size() == 1);
  CHECK(loaded.fit(data.inputs(), data.targets(), fit).loss.size() > 1);
}

void test_other_metrics_are_an_error_that_keeps_the_run() {
  const Data data;
  for (const std::size_t step : {3, 10}) {  // in the first epoch and in the second
    ds::Trainer cut = small_trainer();
    ds::FitOptions fit = fit_options(data, 2);
    fit.on_step = [&](const ds::StepReport& report) {
      if (report.step == step) cut.save(kPath);
      return true;
    };
    const ds::History expected = cut.fit(data.inputs(), data.targets(), fit);
    ds::Trainer loaded = ds::Trainer::load(kPath);
    ds::FitOptions other = fit_options(data, 2 - loaded.epoch());
    other.metrics.clear();
    CHECK_THROWS(loaded.fit(data.inputs(), data.targets(), other), std::invalid_argument,
                 step == 3 ? "measures metrics" : "measures output sum, r2");
    const ds::FitOptions same = fit_options(data, 2 - loaded.epoch());
    check_equal(loaded.fit(data.inputs(), data.targets(), same), expected);
  }
  ds::Trainer cut = small_trainer();
  ds::FitOptions fit = fit_options(data, 1);
  fit.metrics.clear();
  fit.on_step = [&](const ds::StepReport&) {
    cut.save(kPath);
    return true;
  };
  cut.fit(data.inputs(), data.targets(), fit);
  ds::Trainer loaded = ds::Trainer::load(kPath);
  CHECK_THROWS(loaded.fit(data.inputs(), data.targets(), fit_options(data, 1)),
               std::invalid_argument, "measures no metrics");
}

void test_a_run_given_up_is_no_more() {
  const Data data;
  ds::Trainer loaded = saved_within_an_epoch(data);
  const std::vector<double> before = parameters_of(loaded);
  loaded.discard_run();
  CHECK(parameters_of(loaded) == before);
  CHECK(loaded.epoch() == 2);  // as where it had been interrupted there
  CHECK(!loaded.unfinished_run());
  CHECK(loaded.fit(data.inputs().rows(0, 9), data.targets().rows(0, 9)).loss.size() == 1);
  CHECK(loaded.epoch() == 3);
}

void test_what_a_client_keeps_comes_back() {
  ds::Trainer trainer = small_trainer();
  ds::TrainerExtra extra;
  extra.text = "{\"a\\\\b\": \"\n\x01\xc3\xa9\"}";
  extra.tensors["name \"in\" quotes"] = {ds::DType::float32, {1}, {1, 2, 3, 4}};
  extra.tensors["b"] = {ds::DType::float64, {1, 2}, std::vector<unsigned char>(16, 0xFF)};  // nan
  trainer.set_extra(extra);
  trainer.save(kPath);
  const ds::TrainerExtra loaded = ds::Trainer::load(kPath).extra();
  CHECK(loaded.text == extra.text);
  CHECK(loaded.tensors.size() == 2);
  CHECK(loaded.tensors.at("name \"in\" quotes").bytes == (std::vector<unsigned char>{1, 2, 3, 4}));
  CHECK(loaded.tensors.at("b").shape == (std::vector<std::size_t>{1, 2}));
  CHECK(loaded.tensors.at("b").bytes == extra.tensors.at("b").bytes);

  extra.text = "\xff";
  CHECK_THROWS(trainer.set_extra(extra), std::invalid_argument, "UTF-8");
  extra.text = "";
  extra.tensors["b"].shape = {3};
  CHECK_THROWS(trainer.set_extra(extra), std::invalid_argument, "16 bytes");
  CHECK(trainer.extra().text == loaded.text);
}

void test_a_network_reads_its_trainers_file() {
  const Data data;
  const ds::Trainer loaded = saved_within_an_epoch(data);
  const ds::Network network = ds::Network::load(kPath);
  std::vector<double> parameters(network.parameter_count());
  network.get_parameters({parameters.data(), parameters.size()});
  CHECK(parameters == parameters_of(loaded));
}

void check_refused(const std::string& content, const std::string& part) {
  std::ofstream(kPath, std::ios::binary) << content;
  CHECK_THROWS(ds::Trainer::load(kPath), std::invalid_argument, part);
}

void test_a_file_that_is_not_whole_is_refused() {
  const Data data;
  saved_within_an_epoch(data);
  const std::string content = read_file();
  for (std::size_t size = 0; size < content.size(); size += 61) {
    check_refused(content.substr(0, size), kPath);
  }
  // Every byte of the data stands in the checksum.
  const std::size_t header =
      8 + static_cast<unsigned char>(content[0]) + 256u * static_cast<unsigned char>(content[1]);
  for (std::size_t place = header; place < content.size(); place += 41) {
    std::string damaged = content;
    damaged[place] = static_cast<char>(damaged[place] ^ 0x10);
    check_refused(damaged, "");
  }
}

void test_a_file_of_something_else_is_refused() {
  small_network().save(kPath);
  CHECK_THROWS(ds::Trainer::load(kPath), std::invalid_argument, "holds no trainer");
  CHECK_THROWS(ds::Trainer::load((kFolder / "none").string()), ds::FileError, "Trainer.load");
  small_trainer().save(kPath);
  std::string content = read_file();
  const std::string key = "\"trainer.version\":\"";
  content[content.find(key) + key.size()] = '2';
  check_refused(content, "version '2'");
}

void test_saving_where_it_cannot_keeps_what_was_there() {
  const ds::Trainer trainer = small_trainer();
  trainer.save(kPath);
  const std::string content = read_file();
  CHECK_THROWS(trainer.save((kFolder / "none" / "file").string()), ds::FileError, "Trainer.save");
  CHECK_THROWS(trainer.save(kFolder.string()), ds::FileError, "Trainer.save");
  CHECK(read_file() == content);
}

}  // namespace

int main() {
  fs::create_directories(kFolder);
  test_a_trainer_between_two_runs_comes_back();
  test_a_run_saved_at_any_step_goes_on_to_the_same_bits();
  test_a_run_saved_after_any_epoch_goes_on_to_the_same_bits();
  test_a_run_of_which_no_epoch_is_left_is_ended();
  test_a_run_that_was_told_to_end_ends();
  test_another_number_of_rows_is_an_error_that_keeps_the_run();
  test_other_metrics_are_an_error_that_keeps_the_run();
  test_a_run_given_up_is_no_more();
  test_what_a_client_keeps_comes_back();
  test_a_network_reads_its_trainers_file();
  test_a_file_that_is_not_whole_is_refused();
  test_a_file_of_something_else_is_refused();
  test_saving_where_it_cannot_keeps_what_was_there();
  fs::remove_all(kFolder);
  return check_result();
}
