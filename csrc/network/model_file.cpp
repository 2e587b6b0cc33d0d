#include "network/model_file.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <locale>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "network/binary_file.hpp"
#include "network/safetensors.hpp"

namespace descend::network {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "model files hold little-endian numbers, which this machine would have to swap");

namespace {

using Metadata = std::map<std::string, std::string>;
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

std::string shape_text(const Shape& shape) {
  std::string out = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return out + (shape.size() == 1 ? ",)" : ")");
}

template <class T>
void check_finite(const std::string& name, const unsigned char* bytes, std::size_t size) {
  for (std::size_t place = 0; place < size; place += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes + place, sizeof(T));
    if (!std::isfinite(value)) {
      throw core::invalid("tensor ", name, " holds ", value, " at element ", place / sizeof(T),
                          "; expected finite numbers.");
    }
  }
}

void check_finite(DType dtype, const std::string& name, const unsigned char* bytes,
                  std::size_t size) {
  if (dtype == DType::float32) {
    check_finite<float>(name, bytes, size);
  } else {
    check_finite<double>(name, bytes, size);
  }
}

// Streams with the classic locale, since std::from_chars for double is missing from older
// standard libraries.
std::string rate_text(double rate) {
  for (int digits = 15;; ++digits) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out.precision(digits);
    out << rate;
    if (digits == std::numeric_limits<double>::max_digits10) return out.str();
    std::istringstream in(out.str());
    in.imbue(std::locale::classic());
    if (double read = -1.0; in >> read && read == rate) return out.str();
  }
}

/// The text under `key`, which it removes.
std::string take(Metadata& metadata, const std::string& key) {
  const auto node = metadata.extract(key);
  if (node.empty()) {
    throw core::invalid("the metadata has no '", key,
                        "'; expected a file that Network.save wrote.");
  }
  return node.mapped();
}

void take_constant(Metadata& metadata, const std::string& key, const std::string& expected) {
  const std::string text = take(metadata, key);
  if (text != expected) {
    throw core::invalid("the metadata's ", key, " is ", core::quoted(text), "; expected '",
                        expected, "'.");
  }
}

template <class Integer>
Integer take_integer(Metadata& metadata, const std::string& key, Integer least) {
  const std::string text = take(metadata, key);
  const char* last = text.data() + text.size();
  Integer number = 0;
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc{} || end != last || number < least) {
    throw core::invalid("the metadata's ", key, " is ", core::quoted(text),
                        "; expected a whole number from ", least, " to ",
                        std::numeric_limits<Integer>::max(), ".");
  }
  return number;
}

double take_rate(Metadata& metadata, const std::string& key) {
  const std::string text = take(metadata, key);
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  double rate = -1.0;
  in >> std::noskipws >> rate;
  if (!in || in.peek() != std::istringstream::traits_type::eof() || !(rate >= 0.0 && rate < 1.0)) {
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

SafetensorsHeader header_of(const NetworkSpec& spec, std::uint64_t seed) {
  SafetensorsHeader header;
  header.metadata = {{"format", kFormat},
                     {"format_version", kFormatVersion},
                     {"dtype", name(spec.dtype)},
                     {"inputs", std::to_string(spec.inputs)},
                     {"input_dropout", rate_text(spec.input_dropout)},
                     {"init", name(spec.init)},
                     {"seed", std::to_string(seed)},
                     {"layers", std::to_string(spec.layers.size())}};
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    header.metadata[layer_key(i, "units")] = std::to_string(spec.layers[i].units);
    header.metadata[layer_key(i, "activation")] = name(spec.layers[i].activation);
    header.metadata[layer_key(i, "dropout")] = rate_text(spec.layers[i].dropout);
  }
  std::size_t end = 0;
  visit_tensors(spec, [&](const std::string& name, const Shape& shape) {
    const std::size_t begin = end;
    end += shape[0] * (shape.size() == 2 ? shape[1] : 1) * element_size(spec.dtype);
    header.tensors[name] = {spec.dtype, shape, begin, end};
  });
  return header;
}

/// `tensors` is how many the file has: the bound of what the metadata may claim.
NetworkSpec take_spec(Metadata& metadata, std::size_t tensors) {
  NetworkSpec spec;
  spec.dtype = take_dtype(metadata);
  spec.inputs = take_integer<std::size_t>(metadata, "inputs", 1);
  spec.input_dropout = take_rate(metadata, "input_dropout");
  spec.init = parse_initializer(take(metadata, "init"));
  const auto layers = take_integer<std::size_t>(metadata, "layers", 1);
  if (tensors % 2 != 0 || layers != tensors / 2) {
    throw core::invalid("the file has ", tensors, " tensors and ", layers,
                        " layers; expected weights and a bias for each layer.");
  }
  for (std::size_t i = 0; i < layers; ++i) {
    Dense layer;
    layer.units = take_integer<std::size_t>(metadata, layer_key(i, "units"), 1);
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

const Tensor& find_tensor(const SafetensorsHeader& header, DType dtype, const std::string& name,
                          const Shape& shape) {
  const auto place = header.tensors.find(name);
  if (place == header.tensors.end()) throw core::invalid("tensor ", name, " is missing.");
  const Tensor& tensor = place->second;
  if (tensor.shape != shape || tensor.dtype != dtype) {
    throw core::invalid("tensor ", name, " is ", descend::name(tensor.dtype), " ",
                        shape_text(tensor.shape), "; the metadata says ", descend::name(dtype), " ",
                        shape_text(shape), ".");
  }
  return tensor;
}

SafetensorsHeader read_header(const BinaryFile& file) {
  if (file.size() < kHeaderLengthBytes) {
    throw core::invalid("the file has ", file.size(), " bytes; a safetensors file has more than ",
                        kHeaderLengthBytes, ".");
  }
  std::uint64_t length = 0;
  file.read(0, kHeaderLengthBytes, &length);
  const std::size_t rest = file.size() - kHeaderLengthBytes;
  if (length > std::min(rest, kLongestHeader)) {
    throw core::invalid("its header should have ", length, " bytes, but at most ",
                        std::min(rest, kLongestHeader),
                        " are possible; the file is cut, or not in the safetensors format.");
  }
  std::string json(static_cast<std::size_t>(length), '\0');
  file.read(kHeaderLengthBytes, json.size(), json.data());
  return parse_safetensors_header(json, rest - json.size());
}

ModelFile read_model(const BinaryFile& file) {
  SafetensorsHeader header = read_header(file);
  take_constant(header.metadata, "format", kFormat);
  take_constant(header.metadata, "format_version", kFormatVersion);
  ModelFile model;
  model.seed = take_integer<std::uint64_t>(header.metadata, "seed", 0);
  model.spec = take_spec(header.metadata, header.tensors.size());

  // As many tensors as the file has, all of them found: the file has no others.
  std::vector<std::pair<std::string, const Tensor*>> tensors;
  std::size_t data_size = 0;
  visit_tensors(model.spec, [&](const std::string& name, const Shape& shape) {
    tensors.emplace_back(name, &find_tensor(header, model.spec.dtype, name, shape));
    data_size += tensors.back().second->end - tensors.back().second->begin;
  });
  model.parameters.resize(data_size);
  unsigned char* place = model.parameters.data();
  for (const auto& [name, tensor] : tensors) {
    const std::size_t size = tensor->end - tensor->begin;
    file.read(file.size() - data_size + tensor->begin, size, place);
    check_finite(model.spec.dtype, name, place, size);
    place += size;
  }
  return model;
}

/// Runs `action`, whose errors then begin with the function and the path.
template <class Action>
auto with_place(const char* function, const std::string& path, const Action& action) {
  const std::string place = std::string(function) + ": " + core::quoted(path) + ": ";
  try {
    if (path.find('\0') != std::string::npos) throw core::invalid("a path has no NUL byte.");
    return action();
  } catch (const FileError& error) {
    throw FileError(place + error.what(), error.error_number());
  } catch (const std::invalid_argument& error) {
    throw core::invalid(place, error.what());
  }
}

}  // namespace

void write_model_file(const std::string& path, const ModelFile& model) {
  with_place("Network.save", path, [&] {
    const SafetensorsHeader header = header_of(model.spec, model.seed);
    for (const auto& [name, tensor] : header.tensors) {
      assert(tensor.end <= model.parameters.size());
      check_finite(model.spec.dtype, name, model.parameters.data() + tensor.begin,
                   tensor.end - tensor.begin);
    }
    const std::string_view data(reinterpret_cast<const char*>(model.parameters.data()),
                                model.parameters.size());
    write_file_atomically(path, {format_safetensors_header(header), data});
  });
}

ModelFile read_model_file(const char* where, const std::string& path) {
  return with_place(where, path, [&] { return read_model(BinaryFile(path)); });
}

}  // namespace descend::network
