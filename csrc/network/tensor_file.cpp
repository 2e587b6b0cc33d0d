#include "network/tensor_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace descend::network {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "model files hold little-endian numbers, which this machine would have to swap");

namespace {

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string out = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return out + (shape.size() == 1 ? ",)" : ")");
}

template <class T>
void check_finite_as(const std::string& name, std::string_view bytes) {
  for (std::size_t place = 0; place < bytes.size(); place += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + place, sizeof(T));
    if (!std::isfinite(value)) {
      throw core::invalid("tensor ", name, " holds ", value, " at element ", place / sizeof(T),
                          "; expected finite numbers.");
    }
  }
}

SafetensorsHeader read_header(const BinaryFile& file, std::size_t& data_begin) {
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
  data_begin = kHeaderLengthBytes + json.size();
  return parse_safetensors_header(json, file.size() - data_begin);
}

// A chain of steps each of which is a bijection of the state and of the word: another word anywhere
// is another sum.
class Checksum {
 public:
  void add_number(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9E3779B97F4A7C15u;
    state_ ^= state_ >> 32;
  }
  /// Whole words, or the end of something whose size was added.
  void add_bytes(std::string_view bytes) {
    for (std::size_t place = 0; place < bytes.size(); place += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + place, std::min(sizeof(word), bytes.size() - place));
      add_number(word);
    }
  }
  void add_text(const std::string& text) {
    add_number(text.size());
    add_bytes(text);
  }
  void add_metadata(const Metadata& metadata) {
    add_number(metadata.size());
    for (const auto& [key, text] : metadata) {
      add_text(key);
      add_text(text);
    }
  }
  void add_kind(const std::string& name, DType dtype, const std::vector<std::size_t>& shape) {
    add_text(name);
    add_number(element_size(dtype));
    add_number(shape.size());
    for (const std::size_t length : shape) add_number(length);
  }

  std::string digits() const {
    std::string out(16, '0');
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = "0123456789abcdef"[state_ >> 4 * (15 - i) & 0xF];
    }
    return out;
  }

 private:
  std::uint64_t state_ = 0x243F6A8885A308D3u;  // the fraction of pi
};

}  // namespace

void check_finite(const std::string& name, DType dtype, std::string_view bytes) {
  if (dtype == DType::float32) {
    check_finite_as<float>(name, bytes);
  } else {
    check_finite_as<double>(name, bytes);
  }
}

std::string checksum(const Metadata& metadata, std::vector<TensorView> tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
  Checksum sum;
  sum.add_metadata(metadata);
  for (const TensorView& tensor : tensors) {
    sum.add_kind(tensor.name, tensor.dtype, tensor.shape);
    sum.add_bytes(tensor.bytes);
  }
  return sum.digits();
}

void write_tensors(const std::string& path, const Metadata& metadata,
                   const std::vector<TensorView>& tensors) {
  std::vector<TensorView> sorted = tensors;  // wide elements first, so that each is aligned
  std::stable_sort(sorted.begin(), sorted.end(), [](const TensorView& a, const TensorView& b) {
    return element_size(a.dtype) > element_size(b.dtype);
  });
  SafetensorsHeader header;
  header.metadata = metadata;
  std::vector<std::string_view> pieces(1);
  std::size_t end = 0;
  for (const TensorView& tensor : sorted) {
    const std::size_t begin = end;
    end += tensor.bytes.size();
    header.tensors[tensor.name] = {tensor.dtype, tensor.shape, begin, end};
    pieces.push_back(tensor.bytes);
  }
  const std::string text = format_safetensors_header(header);
  pieces.front() = text;
  write_file_atomically(path, pieces);
}

TensorFile::TensorFile(const std::string& path)
    : file_(path), header_(read_header(file_, data_begin_)) {}

const Tensor& TensorFile::find(const std::string& name, DType dtype,
                               const std::vector<std::size_t>& shape) const {
  const auto place = header_.tensors.find(name);
  if (place == header_.tensors.end()) throw core::invalid("tensor ", name, " is missing.");
  const Tensor& tensor = place->second;
  if (tensor.shape != shape || tensor.dtype != dtype) {
    throw core::invalid("tensor ", name, " is ", descend::name(tensor.dtype), " ",
                        shape_text(tensor.shape), "; the metadata says ", descend::name(dtype), " ",
                        shape_text(shape), ".");
  }
  return tensor;
}

void TensorFile::read(const Tensor& tensor, void* out) const {
  file_.read(data_begin_ + tensor.begin, tensor.end - tensor.begin, out);
}

void TensorFile::read_finite(const std::string& name, const Tensor& tensor, void* out) const {
  read(tensor, out);
  check_finite(name, tensor.dtype, {static_cast<const char*>(out), tensor.end - tensor.begin});
}

std::string TensorFile::checksum() const {
  std::vector<char> part(std::size_t{1} << 20);
  Checksum sum;
  sum.add_metadata(header_.metadata);
  for (const auto& [name, tensor] : header_.tensors) {
    sum.add_kind(name, tensor.dtype, tensor.shape);
    for (std::size_t begin = tensor.begin; begin < tensor.end; begin += part.size()) {
      const std::size_t size = std::min(part.size(), tensor.end - begin);
      file_.read(data_begin_ + begin, size, part.data());
      sum.add_bytes({part.data(), size});
    }
  }
  return sum.digits();
}

}  // namespace descend::network
