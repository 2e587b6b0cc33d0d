#include "trainer/trainer_file.hpp"

#include <cmath>
#include <cstdint>
#include <deque>
#include <utility>
#include <variant>
#include <vector>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "network/model_file.hpp"
#include "network/tensor_file.hpp"

namespace descend::trainer {

namespace {

using core::invalid;
using network::Metadata;
using network::TensorFile;
using network::TensorView;

constexpr const char* kVersion = "1";
constexpr const char* kVersionKey = "trainer.version";
constexpr const char* kChecksumKey = "trainer.checksum";
constexpr const char* kAverageKey = "trainer.average";
constexpr const char* kRunKey = "trainer.run";
constexpr const char* kEpochKey = "trainer.run.epoch";
constexpr const char* kBestKey = "trainer.run.best";
constexpr const char* kBeforeKey = "trainer.run.before";
constexpr const char* kOutputsKey = "trainer.run.outputs";
constexpr const char* kExtraPrefix = "trainer.extra.tensor.";

// What is written and read, a line a value; `field` is called with each.

template <class Options, class Field>
void visit_options(Options& options, const Field& field) {
  // Without threads, which are the machine's.
  field("trainer.option.batch_size", options.batch_size);
  field("trainer.option.shuffle", options.shuffle);
  field("trainer.option.seed", options.seed);
  field("trainer.option.l2", options.l2);
  field("trainer.option.l1", options.l1);
  field("trainer.option.divide_penalty", options.divide_penalty);
  field("trainer.option.track_gradient_noise", options.track_gradient_noise);
  field("trainer.option.clip_norm", options.clip_norm);
  field("trainer.option.clip_value", options.clip_value);
  field("trainer.option.average_decay", options.average_decay);
  field("trainer.option.class_weight", options.class_weight.weights);
  field("trainer.option.class_weight.balanced", options.class_weight.balanced);
  field("trainer.option.label_smoothing", options.label_smoothing);
}

template <class Rule, class Field>
void visit_rule(Rule& rule, const Field& field) {
  Rule::visit(rule, [&](const char* key, auto& value, auto...) {
    field("trainer.optimizer." + std::string(key), value);
  });
}

template <class Record, class Field>
void visit_record(Record& record, const Field& field) {
  field("trainer.run.steps", record.history.steps);
  field("trainer.run.seconds", record.history.seconds);
}

template <class Epoch, class Field>
void visit_epoch(Epoch& epoch, const Field& field) {
  field("trainer.run.epoch.data_rows", epoch.rows);
  field("trainer.run.epoch.weight_unit", epoch.weight_unit);
  field("trainer.run.epoch.loss_sum", epoch.progress.loss_sum);
  field("trainer.run.epoch.weight_sum", epoch.progress.weight_sum);
  field("trainer.run.epoch.steps", epoch.progress.steps);
  field("trainer.run.epoch.rows", epoch.progress.rows);
  field("trainer.run.epoch.visited", epoch.progress.visited);
  field("trainer.run.epoch.learning_rate", epoch.progress.learning_rate);
  field("trainer.run.epoch.noise_variance", epoch.progress.noise.variance);
  field("trainer.run.epoch.noise_squared_norm", epoch.progress.noise.squared_norm);
}

template <class Best, class Field>
void visit_best(Best& best, const Field& field) {
  field("trainer.run.best.lowest", best.lowest);
  field("trainer.run.best.epochs_since", best.epochs_since);
}

// Lists of a number an epoch, each a tensor where it is not empty.
template <class History, class Field>
void visit_lists(History& history, const Field& field) {
  field("trainer.run.loss", history.loss);
  field("trainer.run.validation_loss", history.validation_loss);
  field("trainer.run.noise_scale", history.noise_scale);
  field("trainer.run.learning_rate", history.learning_rate);
}

// Such lists under the caller's names, which stand behind these prefixes.
template <class History, class Field>
void visit_named_lists(History& history, const Field& field) {
  field("trainer.run.metric.", history.metrics);
  field("trainer.run.validation_metric.", history.validation_metrics);
}

std::string state_key(std::size_t vector) {
  return "trainer.optimizer.state." + std::to_string(vector);
}

StopReason parse_reason(const std::string& text) {
#define DESCEND_ROW(name) \
  if (text == #name) return StopReason::name;
  DESCEND_STOP_REASONS(DESCEND_ROW)
#undef DESCEND_ROW
  throw invalid("the metadata's ", kRunKey, " is ", core::quoted(text),
                "; expected a reason to stop, or open.");
}

struct Put {
  Metadata& metadata;
  template <class T>
  void operator()(const std::string& key, const T& value) const {
    metadata[key] = network::text_of(value);
  }
};

struct Take {
  Metadata& metadata;
  template <class T>
  void operator()(const std::string& key, T& value) const {
    value = network::take_as<T>(metadata, key, value);
  }
};

class Writer {
 public:
  explicit Writer(State& state) : state_(state) {
    const network::State& network = *state_.network();
    model_ = {network.spec, network.seed, bytes_of_parameters()};
    network::copy_parameters(network, model_.parameters.data());
    metadata_ = network::model_metadata(model_);
    tensors_ = network::model_tensors(model_);
    put_trainer();
    if (state_.record) put_run(*state_.record);
    put_extra(state_.extra);
    metadata_[kChecksumKey] = network::checksum(metadata_, tensors_);
  }

  void write(const std::string& path) const { network::write_tensors(path, metadata_, tensors_); }

 private:
  void put_trainer() {
    metadata_[kVersionKey] = kVersion;
    metadata_["trainer.loss"] = name(state_.loss());
    metadata_["trainer.epoch"] = network::text_of(state_.epoch());
    metadata_["trainer.steps"] = network::text_of(state_.steps());
    visit_options(state_.options(), Put{metadata_});
    metadata_["trainer.optimizer"] = name(state_.optimizer());
    std::visit([&](const auto& rule) { visit_rule(rule, Put{metadata_}); }, state_.optimizer());
    for (std::size_t i = 0; i < state_vectors(state_.optimizer()); ++i) {
      state_.copy_optimizer_vector(i, put_parameters(state_key(i)));
    }
    if (state_.has_average()) state_.copy_average(put_parameters(kAverageKey));
  }

  void put_run(const RunRecord& record) {
    metadata_[kRunKey] = record.reason ? name(*record.reason) : "open";
    visit_record(record, Put{metadata_});
    const auto put_list = [&](const std::string& key, const std::vector<double>& list) {
      if (!list.empty()) {
        tensors_.push_back({key, DType::float64, {list.size()}, bytes_of(list)});
      }
    };
    visit_lists(record.history, put_list);
    visit_named_lists(record.history, [&](const std::string& prefix, const auto& lists) {
      for (const auto& [name, list] : lists) put_list(prefix + name, list);
    });
    if (record.epoch) {
      metadata_[kEpochKey] = "open";
      visit_epoch(*record.epoch, Put{metadata_});
      if (record.outputs) put_outputs(record.outputs->view());
    }
    const network::State& network = *state_.network();
    if (record.best) {
      visit_best(*record.best, Put{metadata_});
      record.best->parameters.copy_to(network, put_parameters(kBestKey));
    }
    if (record.before) record.before->copy_to(network, put_parameters(kBeforeKey));
  }

  void put_outputs(const ConstMatrixView& outputs) {
    const std::size_t size =
        outputs.rows() * outputs.columns() * element_size(outputs.element_type());
    tensors_.push_back({kOutputsKey,
                        state_.network()->spec.dtype,
                        {outputs.rows(), outputs.columns()},
                        {static_cast<const char*>(outputs.data()), size}});
  }

  void put_extra(const TrainerExtra& extra) {
    if (!extra.text.empty()) metadata_["trainer.extra.text"] = extra.text;
    for (const auto& [name, tensor] : extra.tensors) {
      tensors_.push_back({kExtraPrefix + name, tensor.dtype, tensor.shape, bytes_of(tensor.bytes)});
    }
  }

  std::vector<unsigned char> bytes_of_parameters() const {
    const network::State& network = *state_.network();
    return std::vector<unsigned char>(network.layout.count * element_size(network.spec.dtype));
  }

  /// Where to write a tensor as long as the parameters.
  void* put_parameters(const std::string& name) {
    const network::State& network = *state_.network();
    vectors_.push_back(bytes_of_parameters());
    tensors_.push_back(
        {name, network.spec.dtype, {network.layout.count}, bytes_of(vectors_.back())});
    return vectors_.back().data();
  }

  template <class T>
  static std::string_view bytes_of(const std::vector<T>& elements) {
    return {reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T)};
  }

  State& state_;
  network::ModelFile model_;
  std::deque<std::vector<unsigned char>> vectors_;
  Metadata metadata_;
  std::vector<TensorView> tensors_;
};

class Reader {
 public:
  explicit Reader(const std::string& path) : file_(path) { check_origin(); }

  std::unique_ptr<State> read(int threads, const std::optional<LearningRate>& learning_rate) {
    const network::ModelFile model = network::take_model(file_);
    auto network = std::make_shared<network::State>(model.spec, model.seed, network::State::Zero{});
    network::set_parameters(*network, model.parameters.data());

    const Loss loss = parse_loss(network::take(metadata_, "trainer.loss"));
    TrainerOptions options;
    options.threads = threads;
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
    if (version != kVersion) {
      throw invalid("the trainer's format is version ", core::quoted(version),
                    ", and this release of descend reads ", kVersion,
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

void write_trainer_file(const std::string& path, State& state) {
  network::with_place("Trainer.save", path, [&] { Writer(state).write(path); });
}

std::unique_ptr<State> read_trainer_file(const std::string& path, int threads,
                                         const std::optional<LearningRate>& learning_rate) {
  core::check_threads("Trainer.load", threads);
  if (learning_rate) validate("Trainer.load", *learning_rate);
  return network::with_place("Trainer.load", path,
                             [&] { return Reader(path).read(threads, learning_rate); });
}

}  // namespace descend::trainer
