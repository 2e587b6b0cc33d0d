// Whole files of bytes on POSIX systems. Every function throws FileError.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace descend::network {

/// A regular file open for reading.
class BinaryFile {
 public:
  explicit BinaryFile(const std::string& path);
  ~BinaryFile();
  BinaryFile(const BinaryFile&) = delete;
  BinaryFile& operator=(const BinaryFile&) = delete;

  std::size_t size() const { return size_; }
  /// Copies the bytes [offset, offset + size), which the file must hold.
  void read(std::size_t offset, std::size_t size, void* out) const;

 private:
  int descriptor_;
  std::size_t size_ = 0;
};

/// Makes `path` a file of the pieces, one after the other: whole, or not at all. What stood there
/// before stays until the new file is on the disk; a symbolic link goes on pointing to it.
void write_file_atomically(const std::string& path, const std::vector<std::string_view>& pieces);

}  // namespace descend::network
