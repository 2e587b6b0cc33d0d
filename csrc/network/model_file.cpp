#include "network/model_file.hpp"

#include <cassert>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>

#include "core/checks.hpp"
#include "core/utf8.hpp"

namespace descend::network {

namespace {

using Shape = std::vector<std::size_t>;

constexpr const char* kFormat = "descend";
constexpr const char* kFormatVersion = "1";

std::string layer_key(std::size_t layer, const char* what) {
  return "layers." + std::to_string(layer) + "." + what;
}

/// visit(name, shape) for each tensor, in the order of LayerShape.
template <class Visit>
void visit_tensors(const NetworkSpec& spec, const Visit& visit) {
  std::size_t inputs = spec.inputs;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const std::size_t units = spec.layers[i].units;
    visit(layer_key(i, "weights"), Shape{inputs, units});
    visit(layer_key(i, "bias"), Shape{units});
    inputs = units;
  }
}

void take_constant(Metadata& metadata, const std::string& key, const std::string& expected) {
  const std::string text = take(metadata, key);
  if (text != expected) {
    throw core::invalid("the metadata's ", key, " is ", core::quoted(text), "; expected '",
                        expected, "'.");
  }
}

std::size_t take_count(Metadata& metadata, const std::string& key) {
  const std::string text = take(metadata, key);
  std::size_t count = 0;
  if (!read_text(text, count) || count == 0) {
    throw core::invalid("the metadata's ", key, " is ", core::quoted(text),
                        "; expected a whole number from 1 to ",
                        std::numeric_limits<std::size_t>::max(), ".");
  }
  return count;
}

double take_rate(Metadata& metadata, const std::string& key) {
  const std::string text = take(metadata, key);
  double rate = -1.0;
  if (!read_text(text, rate) || !(rate >= 0.0 && rate < 1.0)) {
    throw core::invalid("the metadata's ", key, " is ", core::quoted(text),
                        "; expected a number in [0, 1).");
  }
  return rate;
}

DType take_dtype(Metadata& metadata) {
  const std::string text = take(metadata, "dtype");
  for (const DType dtype : {DType::float32, DType::float64}) {
    if (text == name(dtype)) return dtype;
  }
  throw core::invalid("the metadata's dtype is ", core::quoted(text),
                      "; expected float32 or float64.");
}

/// `tensors` is how many the file has: the bound of what the metadata may claim.
NetworkSpec take_spec(Metadata& metadata, std::size_t tensors) {
  NetworkSpec spec;
  spec.dtype = take_dtype(metadata);
  spec.inputs = take_count(metadata, "inputs");
  spec.input_dropout = take_rate(metadata, "input_dropout");
  spec.init = parse_initializer(take(metadata, "init"));
  const auto layers = take_count(metadata, "layers");
  if (tensors % 2 != 0 || layers != tensors / 2) {
    throw core::invalid("the file has ", tensors, " tensors and ", layers,
                        " layers; expected weights and a bias for each layer.");
  }
  for (std::size_t i = 0; i < layers; ++i) {
    Dense layer;
    layer.units = take_count(metadata, layer_key(i, "units"));
    layer.activation = parse_activation(take(metadata, layer_key(i, "activation")));
    layer.dropout = take_rate(metadata, layer_key(i, "dropout"));
    spec.layers.push_back(layer);
  }
  const auto left = metadata.lower_bound("layers.");
  if (left != metadata.end() && left->first.rfind("layers.", 0) == 0) {
    throw core::invalid("the metadata has ", core::quoted(left->first), ", but only ", layers,
                        " layers of units, activation and dropout.");
  }
  return spec;
}

}  // namespace

Metadata model_metadata(const ModelFile& model) {
  const NetworkSpec& spec = model.spec;
  Metadata metadata = {{"format", kFormat},
                       {"format_version", kFormatVersion},
                       {"dtype", name(spec.dtype)},
                       {"inputs", text_of(spec.inputs)},
                       {"input_dropout", text_of(spec.input_dropout)},
                       {"init", name(spec.init)},
                       {"seed", text_of(model.seed)},
                       {"layers", text_of(spec.layers.size())}};
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    metadata[layer_key(i, "units")] = text_of(spec.layers[i].units);
    metadata[layer_key(i, "activation")] = name(spec.layers[i].activation);
    metadata[layer_key(i, "dropout")] = text_of(spec.layers[i].dropout);
  }
  return metadata;
}

std::vector<TensorView> model_tensors(const ModelFile& model) {
  std::vector<TensorView> tensors;
  const std::string_view all(reinterpret_cast<const char*>(model.parameters.data()),
                             model.parameters.size());
  std::size_t end = 0;
  visit_tensors(model.spec, [&](const std::string& name, const Shape& shape) {
    const std::size_t begin = end;
    end += shape[0] * (shape.size() == 2 ? shape[1] : 1) * element_size(model.spec.dtype);
    assert(end <= all.size());
    tensors.push_back({name, model.spec.dtype, shape, all.substr(begin, end - begin)});
    check_finite(name, model.spec.dtype, tensors.back().bytes);
  });
  return tensors;
}

ModelFile take_model(TensorFile& file) {
  Metadata& metadata = file.metadata();
  take_constant(metadata, "format", kFormat);
  take_constant(metadata, "format_version", kFormatVersion);
  std::size_t count = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    count += name.rfind(kTrainerPrefix, 0) == 0 ? 0 : 1;
  }
  ModelFile model;
  model.seed = take_as<std::uint64_t>(metadata, "seed");
  model.spec = take_spec(metadata, count);

  // As many tensors as the file has, all of them found: the network has no others.
  std::vector<std::pair<std::string, const Tensor*>> tensors;
  std::size_t size = 0;
  visit_tensors(model.spec, [&](const std::string& name, const Shape& shape) {
    tensors.emplace_back(name, &file.find(name, model.spec.dtype, shape));
    size += tensors.back().second->end - tensors.back().second->begin;
  });
  model.parameters.resize(size);
  unsigned char* place = model.parameters.data();
  for (const auto& [name, tensor] : tensors) {
    file.read_finite(name, *tensor, place);
    place += tensor->end - tensor->begin;
  }
  return model;
}

void write_model_file(const std::string& path, const ModelFile& model) {
  with_place("Network.save", path,
             [&] { write_tensors(path, model_metadata(model), model_tensors(model)); });
}

ModelFile read_model_file(const char* where, const std::string& path) {
  return with_place(where, path, [&] {
    TensorFile file(path);
    return take_model(file);
  });
}

}  // namespace descend::network
