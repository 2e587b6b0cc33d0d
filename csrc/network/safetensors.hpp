// The header of a safetensors file: which tensors its data holds, and text about them.
//   file    8 bytes: length of the header, little-endian; header: JSON; data
//   header  {"__metadata__": {key: text}, name: {"dtype", "shape", "data_offsets": [begin, end]}}
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "descend/dtype.hpp"

namespace descend::network {

struct Tensor {
  DType dtype = DType::float32;
  std::vector<std::size_t> shape;
  std::size_t begin = 0;  ///< first byte, and the one after the last, counted in the data
  std::size_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
};

/// The size of the length field, and the longest header that readers of the format accept.
constexpr std::size_t kHeaderLengthBytes = 8;
constexpr std::size_t kLongestHeader = 100'000'000;

/// Reads the JSON of a header whose data has `data_size` bytes. The tensors fill the data without
/// holes or overlaps. Throws std::invalid_argument.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::size_t data_size);

/// The file up to its data: the length, and JSON padded so that the data begins at a multiple of
/// 8. Names and texts are UTF-8. Throws std::invalid_argument where it becomes longer than readers
/// accept.
std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace descend::network
