// A safetensors file as a whole: texts under keys, and tensors under names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "descend/network.hpp"
#include "network/binary_file.hpp"
#include "network/metadata.hpp"
#include "network/safetensors.hpp"

namespace descend::network {

/// Somebody's bytes, and what they are.
struct TensorView {
  std::string name;
  DType dtype;
  std::vector<std::size_t> shape;
  std::string_view bytes;
};

/// Replaces the file atomically. Names are unique. Throws FileError.
void write_tensors(const std::string& path, const Metadata& metadata,
                   const std::vector<TensorView>& tensors);

/// A file open for reading. Trusts nothing in it.
class TensorFile {
 public:
  /// Throws FileError, and std::invalid_argument where the header is not safetensors'.
  explicit TensorFile(const std::string& path);

  Metadata& metadata() { return header_.metadata; }
  const std::map<std::string, Tensor>& tensors() const { return header_.tensors; }

  /// The tensor of this name. Throws std::invalid_argument where it is missing, or of another dtype
  /// or shape.
  const Tensor& find(const std::string& name, DType dtype,
                     const std::vector<std::size_t>& shape) const;
  /// Copies a tensor's bytes. Throws FileError.
  void read(const Tensor& tensor, void* out) const;
  /// The same, of numbers: throws std::invalid_argument where one is not finite.
  void read_finite(const std::string& name, const Tensor& tensor, void* out) const;
  /// checksum() of what the file holds.
  std::string checksum() const;

 private:
  BinaryFile file_;
  std::size_t data_begin_ = 0;
  SafetensorsHeader header_;
};

/// 16 hexadecimal digits that change with any byte of the texts and tensors, their order aside.
std::string checksum(const Metadata& metadata, std::vector<TensorView> tensors);

/// Throws std::invalid_argument where one of the numbers is not finite.
void check_finite(const std::string& name, DType dtype, std::string_view bytes);

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

}  // namespace descend::network
