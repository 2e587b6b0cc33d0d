#include "network/safetensors.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "network/json_reader.hpp"

namespace descend::network {

namespace {

constexpr const char* kMetadata = "__metadata__";

const char* format_name(DType dtype) { return dtype == DType::float32 ? "F32" : "F64"; }

DType parse_format_name(const std::string& name) {
  for (const DType dtype : {DType::float32, DType::float64}) {
    if (name == format_name(dtype)) return dtype;
  }
  throw core::invalid("a tensor has dtype ", core::quoted(name), "; expected F32 or F64.");
}

Tensor parse_tensor(JsonReader& json, const std::string& name) {
  constexpr std::size_t kMostDimensions = 8;
  Tensor tensor;
  std::vector<std::size_t> offsets;
  const auto read_sizes = [&](std::vector<std::size_t>& sizes) {
    json.array([&] {
      sizes.push_back(json.unsigned_integer());
      if (sizes.size() > kMostDimensions) {
        throw core::invalid("tensor ", core::quoted(name), " has more than ", kMostDimensions,
                            " dimensions or offsets.");
      }
    });
  };
  std::size_t members = 0;
  json.object([&](const std::string& key) {
    ++members;
    if (key == "dtype") {
      tensor.dtype = parse_format_name(json.string());
    } else if (key == "shape") {
      read_sizes(tensor.shape);
    } else if (key == "data_offsets") {
      read_sizes(offsets);
    } else {
      throw core::invalid("tensor ", core::quoted(name), " has an unknown ", core::quoted(key),
                          "; expected dtype, shape and data_offsets.");
    }
  });
  if (members != 3 || offsets.size() != 2) {
    throw core::invalid("tensor ", core::quoted(name),
                        " is incomplete; expected dtype, shape and two data_offsets.");
  }
  tensor.begin = offsets[0];
  tensor.end = offsets[1];
  return tensor;
}

/// Throws where the tensor's bytes are not those of its shape.
void check_extent(const std::string& name, const Tensor& tensor) {
  const std::string where = "tensor " + core::quoted(name);
  std::size_t bytes = element_size(tensor.dtype);
  for (const std::size_t length : tensor.shape) {
    bytes = core::checked_product(bytes, length, where.c_str());
  }
  if (tensor.end < tensor.begin || tensor.end - tensor.begin != bytes || bytes == 0) {
    throw core::invalid(where, " stands at bytes ", tensor.begin, " to ", tensor.end,
                        " of the data; its shape takes ", bytes, " bytes.");
  }
}

using NamedTensor = const std::pair<const std::string, Tensor>*;

std::vector<NamedTensor> by_offset(const std::map<std::string, Tensor>& tensors) {
  std::vector<NamedTensor> sorted;
  for (const auto& named : tensors) sorted.push_back(&named);
  std::sort(sorted.begin(), sorted.end(),
            [](NamedTensor a, NamedTensor b) { return a->second.begin < b->second.begin; });
  return sorted;
}

void check_layout(const std::map<std::string, Tensor>& tensors, std::size_t data_size) {
  std::size_t end = 0;
  for (const NamedTensor named : by_offset(tensors)) {
    check_extent(named->first, named->second);
    if (named->second.begin != end) {
      throw core::invalid("tensor ", core::quoted(named->first), " begins at byte ",
                          named->second.begin, " of the data; expected ", end,
                          ", where the one before it ends.");
    }
    end = named->second.end;
  }
  if (end != data_size) {
    throw core::invalid("the tensors take ", end, " bytes, but the file holds ", data_size,
                        " bytes of data.");
  }
}

std::string json_string(const std::string& text) {
  std::string out = "\"";
  for (const char character : text) {
    const auto code = static_cast<unsigned char>(character);
    if (code < 0x20) {
      out += "\\u00";
      out += "0123456789abcdef"[code >> 4];
      out += "0123456789abcdef"[code & 0xF];
    } else {
      if (character == '"' || character == '\\') out += '\\';
      out += character;
    }
  }
  return out + '"';
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::size_t data_size) {
  SafetensorsHeader header;
  JsonReader reader(json);
  reader.object([&](const std::string& name) {
    if (name == kMetadata) {
      reader.object([&](const std::string& key) { header.metadata[key] = reader.string(); });
    } else {
      header.tensors[name] = parse_tensor(reader, name);
    }
  });
  reader.end();
  check_layout(header.tensors, data_size);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  std::string json = "{" + json_string(kMetadata) + ":{";
  const char* separator = "";
  for (const auto& [key, text] : header.metadata) {
    json += separator + json_string(key) + ":" + json_string(text);
    separator = ",";
  }
  json += "}";
  for (const NamedTensor named : by_offset(header.tensors)) {
    const auto& [name, tensor] = *named;
    json += "," + json_string(name) + ":{\"dtype\":" + json_string(format_name(tensor.dtype)) +
            ",\"shape\":[";
    separator = "";
    for (const std::size_t length : tensor.shape) {
      json += separator + std::to_string(length);
      separator = ",";
    }
    json += "],\"data_offsets\":[" + std::to_string(tensor.begin) + "," +
            std::to_string(tensor.end) + "]}";
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > kLongestHeader) {
    throw core::invalid("its header would have ", json.size(), " bytes; readers take at most ",
                        kLongestHeader, ".");
  }

  std::string length(kHeaderLengthBytes, '\0');
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<char>(std::uint64_t{json.size()} >> 8 * i & 0xFF);
  }
  return length + json;
}

}  // namespace descend::network
