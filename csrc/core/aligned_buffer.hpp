// A fixed number of elements at a cache line's start, zero at first unless asked otherwise.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <utility>

namespace descend::core {

constexpr std::size_t kBufferAlignment = 64;

/// Memory that is not initialised, at a cache line's start, on large pages where there is much of
/// it and the system has them. Throws std::bad_alloc.
void* allocate_buffer(std::size_t bytes);
void free_buffer(void* buffer) noexcept;

/// Asks for elements that are written before they are read.
struct Uninitialised {};

template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;

  /// Throws std::bad_alloc.
  AlignedBuffer(std::size_t size, Uninitialised) : size_(size) {
    if (size == 0) return;
    if (size > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T)) throw std::bad_alloc();
    data_ = static_cast<T*>(allocate_buffer(size * sizeof(T)));
  }
  explicit AlignedBuffer(std::size_t size) : AlignedBuffer(size, Uninitialised{}) {
    std::fill_n(data_, size, T{});
  }
  AlignedBuffer(const AlignedBuffer& other) : AlignedBuffer(other.size_) {
    std::copy_n(other.data_, size_, data_);
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer other) noexcept {
    swap(other);
    return *this;
  }
  ~AlignedBuffer() { free_buffer(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace descend::core
