#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "network/model_file.hpp"
#include "network/tensor_file.hpp"
#include "trainer/trainer_file.hpp"
#include "trainer/trainer_file_fields.hpp"

namespace descend::trainer {

namespace {

using network::Metadata;
using network::TensorView;

struct Put {
  Metadata& metadata;
  template <class T>
  void operator()(const std::string& key, const T& value) const {
    metadata[key] = network::text_of(value);
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
    metadata_[kVersionKey] = kFileVersion;
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

}  // namespace

void write_trainer_file(const std::string& path, State& state) {
  network::with_place("Trainer.save", path, [&] { Writer(state).write(path); });
}

}  // namespace descend::trainer
