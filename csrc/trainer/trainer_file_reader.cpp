#include <cmath>
#include <utility>
#include <vector>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "engine/cuda_engine.hpp"
#include "network/model_file.hpp"
#include "network/tensor_file.hpp"
#include "trainer/trainer_file.hpp"
#include "trainer/trainer_file_fields.hpp"

namespace descend::trainer {

namespace {

using core::invalid;
using network::Metadata;
using network::TensorFile;

StopReason parse_reason(const std::string& text) {
#define DESCEND_ROW(name) \
  if (text == #name) return StopReason::name;
  DESCEND_STOP_REASONS(DESCEND_ROW)
#undef DESCEND_ROW
  throw invalid("the metadata's ", kRunKey, " is ", core::quoted(text),
                "; expected a reason to stop, or open.");
}

struct Take {
  Metadata& metadata;
  template <class T>
  void operator()(const std::string& key, T& value) const {
    value = network::take_as<T>(metadata, key, value);
  }
};

class Reader {
 public:
  explicit Reader(const std::string& path) : file_(path) { check_origin(); }

  std::unique_ptr<State> read(int threads, const std::optional<LearningRate>& learning_rate,
                              Device device) {
    const network::ModelFile model = network::take_model(file_);
    auto network = std::make_shared<network::State>(model.spec, model.seed, network::State::Zero{});
    network::set_parameters(*network, model.parameters.data());

    const Loss loss = parse_loss(network::take(metadata_, "trainer.loss"));
    TrainerOptions options;
    options.threads = threads;
    options.device = device;
    visit_options(options, Take{metadata_});
    auto state = std::make_unique<State>(network, loss, take_optimizer(learning_rate), options);
    for (std::size_t i = 0; i < state_vectors(state->optimizer()); ++i) {
      state->set_optimizer_vector(i, take_parameters(*network, state_key(i)).data());
    }
    if (options.average_decay && has_tensor(kAverageKey)) {
      state->set_average(take_parameters(*network, kAverageKey).data());
    }
    const auto epoch = network::take_as<std::size_t>(metadata_, "trainer.epoch");
    const auto steps = network::take_as<std::size_t>(metadata_, "trainer.steps");
    state->set_counters(epoch, steps);
    if (metadata_.count(kRunKey) > 0) state->record = take_run(*network, steps);
    state->extra = take_extra();
    check_nothing_left();
    return state;
  }

 private:
  void check_origin() {
    if (metadata_.count(kVersionKey) == 0) {
      throw invalid(
          "the file holds no trainer; expected one that Trainer.save wrote. "
          "Network.load reads the file of a network.");
    }
    const std::string version = network::take(metadata_, kVersionKey);
    if (version != kFileVersion) {
      throw invalid("the trainer's format is version ", core::quoted(version),
                    ", and this release of descend reads ", kFileVersion,
                    "; load it with the release that wrote it, or a later one.");
    }
    metadata_[kVersionKey] = version;
    const std::string expected = network::take(metadata_, kChecksumKey);
    if (file_.checksum() != expected) {
      throw invalid("the file is damaged: its checksum is not ", core::quoted(expected), ".");
    }
    network::take(metadata_, kVersionKey);
  }

  Optimizer take_optimizer(const std::optional<LearningRate>& learning_rate) {
    const auto rate = metadata_.find("trainer.optimizer.learning_rate");
    if (rate != metadata_.end() && rate->second == network::kFunctionRate) {
      if (!learning_rate) {
        throw invalid("its learning rate is a function, which no file holds; give it again.");
      }
      rate->second = "1";
    }
    const std::string given = network::take(metadata_, "trainer.optimizer");
#define DESCEND_ROW(Name)                                   \
  if (given == Name::kName) {                               \
    Name rule;                                              \
    visit_rule(rule, Take{metadata_});                      \
    if (learning_rate) rule.learning_rate = *learning_rate; \
    return rule;                                            \
  }
    DESCEND_OPTIMIZERS(DESCEND_ROW)
#undef DESCEND_ROW
    throw invalid("unknown optimizer ", core::quoted(given),
                  "; known: ", core::listed(optimizer_names()), ".");
  }

  RunRecord take_run(const network::State& network, std::size_t steps) {
    RunRecord record;
    if (const std::string run = network::take(metadata_, kRunKey); run != "open") {
      record.reason = parse_reason(run);
    }
    visit_record(record, Take{metadata_});
    visit_lists(record.history, [&](const std::string& key, std::vector<double>& list) {
      if (has_tensor(key)) list = take_list(key);
    });
    visit_named_lists(record.history, [&](const std::string& prefix, auto& lists) {
      for (const auto& [key, tensor] : file_.tensors()) {
        if (key.rfind(prefix, 0) == 0) lists[key.substr(prefix.size())] = take_list(key);
      }
    });
    if (metadata_.erase(kEpochKey) > 0) {
      visit_epoch(record.epoch.emplace(), Take{metadata_});
      check_progress(record.epoch->progress, record.epoch->rows, steps);
      if (has_tensor(kOutputsKey)) {
        const std::size_t rows = record.epoch->rows, units = network.spec.layers.back().units;
        const auto& tensor = take_tensor(kOutputsKey, network.spec.dtype, {rows, units});
        file_.read(tensor, record.outputs.emplace(network, rows).data());
      }
    }
    if (has_tensor(kBestKey)) {
      record.best.emplace(network);
      visit_best(*record.best, Take{metadata_});
      record.best->parameters.copy_from(network, take_parameters(network, kBestKey).data());
    }
    if (has_tensor(kBeforeKey)) {
      record.before.emplace(network);
      record.before->copy_from(network, take_parameters(network, kBeforeKey).data());
    }
    return record;
  }

  static void check_progress(const EpochProgress& progress, std::size_t rows, std::size_t steps) {
    const bool of_batches = rows == 0;
    const bool is_possible =
        (of_batches ? progress.steps == progress.visited
                    : progress.visited <= rows && progress.rows <= progress.visited) &&
        progress.steps <= steps && progress.steps <= progress.rows &&
        std::isfinite(progress.loss_sum) && std::isfinite(progress.weight_sum);
    if (!is_possible) throw invalid("the position within its epoch is not possible.");
  }

  TrainerExtra take_extra() {
    TrainerExtra extra;
    if (metadata_.count("trainer.extra.text") > 0) {
      extra.text = network::take(metadata_, "trainer.extra.text");
    }
    const std::string prefix = kExtraPrefix;
    for (const auto& [name, tensor] : file_.tensors()) {
      if (name.rfind(prefix, 0) != 0) continue;
      ExtraTensor& copy = extra.tensors[name.substr(prefix.size())];
      copy = {tensor.dtype, tensor.shape, std::vector<unsigned char>(tensor.end - tensor.begin)};
      file_.read(tensor, copy.bytes.data());
      taken_ += 1;
    }
    return extra;
  }

  // What is not known may matter.
  void check_nothing_left() {
    for (const auto& [key, text] : metadata_) {
      if (key.rfind(network::kTrainerPrefix, 0) == 0) {
        throw invalid("the metadata has an unknown ", core::quoted(key), ".");
      }
    }
    std::size_t own = 0;
    for (const auto& [name, tensor] : file_.tensors()) {
      own += name.rfind(network::kTrainerPrefix, 0) == 0 ? 1 : 0;
    }
    if (own != taken_) throw invalid("the file has ", own - taken_, " unknown tensors.");
  }

  bool has_tensor(const std::string& name) const { return file_.tensors().count(name) > 0; }

  std::vector<double> take_list(const std::string& name) {
    const std::vector<std::size_t>& shape = file_.tensors().at(name).shape;
    std::vector<double> list(shape.empty() ? 1 : shape[0]);
    file_.read(take_tensor(name, DType::float64, {list.size()}), list.data());
    return list;
  }

  const network::Tensor& take_tensor(const std::string& name, DType dtype,
                                     const std::vector<std::size_t>& shape) {
    taken_ += 1;
    return file_.find(name, dtype, shape);
  }

  std::vector<unsigned char> take_parameters(const network::State& network,
                                             const std::string& name) {
    const DType dtype = network.spec.dtype;
    const network::Tensor& tensor = take_tensor(name, dtype, {network.layout.count});
    std::vector<unsigned char> bytes(tensor.end - tensor.begin);
    file_.read_finite(name, tensor, bytes.data());
    return bytes;
  }

  TensorFile file_;
  Metadata& metadata_ = file_.metadata();
  std::size_t taken_ = 0;  // of the tensors
};

}  // namespace

std::unique_ptr<State> read_trainer_file(const std::string& path, int threads,
                                         const std::optional<LearningRate>& learning_rate,
                                         Device device) {
  core::check_threads("Trainer.load", threads);
  if (device == Device::cuda) engine::check_cuda_device("Trainer.load");
  if (learning_rate) validate("Trainer.load", *learning_rate);
  return network::with_place("Trainer.load", path,
                             [&] { return Reader(path).read(threads, learning_rate, device); });
}

}  // namespace descend::trainer
