// Memory and handles of a GPU, and the errors of its runtime as exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

namespace descend::engine {

/// Throws unless `code` is success: std::bad_alloc where the GPU's memory is used up, else
/// std::runtime_error, which names the call and has the runtime's words.
void check_cuda(cudaError_t code, const char* call);

/// The device that the library works on, made the calling thread's while this lives.
class CudaDevice {
 public:
  /// Throws std::runtime_error in a process forked from one that had used a GPU: CUDA does not
  /// survive a fork.
  CudaDevice();
  ~CudaDevice() { cudaSetDevice(before_); }
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

 private:
  int before_ = 0;
};

/// Whether this process was forked from one that had used a GPU.
bool forked_from_cuda();

/// Elements of T on the device, zero where nothing was written to them.
template <class T>
class CudaBuffer {
 public:
  CudaBuffer() = default;
  /// Throws std::bad_alloc.
  explicit CudaBuffer(std::size_t size) { reserve(size); }
  CudaBuffer(const CudaBuffer&) = delete;
  CudaBuffer& operator=(const CudaBuffer&) = delete;
  CudaBuffer(CudaBuffer&& other) noexcept { *this = std::move(other); }
  CudaBuffer& operator=(CudaBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~CudaBuffer() { free(); }

  /// Room for `size` elements, which are new where it has become larger. Throws std::bad_alloc,
  /// having none then.
  void reserve(std::size_t size) {
    if (size <= size_) return;
    free();
    const std::size_t bytes = size * sizeof(T);
    check_cuda(cudaMalloc(reinterpret_cast<void**>(&data_), bytes), "cudaMalloc");
    size_ = size;
    check_cuda(cudaMemset(data_, 0, bytes), "cudaMemset");
    check_cuda(cudaStreamSynchronize(nullptr),
               "cudaStreamSynchronize");  // other streams write to it
  }

  void write(const T* from, std::size_t size, cudaStream_t stream) {
    check_cuda(cudaMemcpyAsync(data_, from, size * sizeof(T), cudaMemcpyHostToDevice, stream),
               "cudaMemcpyAsync");
  }
  void read(T* to, std::size_t size, cudaStream_t stream) const {
    check_cuda(cudaMemcpyAsync(to, data_, size * sizeof(T), cudaMemcpyDeviceToHost, stream),
               "cudaMemcpyAsync");
  }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void free() noexcept {
    if (data_ != nullptr && !forked_from_cuda()) cudaFree(data_);
    data_ = nullptr;
    size_ = 0;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A CUDA stream of its own, or what else is made and destroyed so.
template <class Handle, cudaError_t (*kDestroy)(Handle)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { reset(); }
  void reset(Handle handle = nullptr) {
    if (handle_ != nullptr && !forked_from_cuda()) kDestroy(handle_);
    handle_ = handle;
  }
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

/// Pinned memory, which the GPU copies from and to while the host goes on.
template <class T>
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::size_t size) {
    check_cuda(cudaMallocHost(reinterpret_cast<void**>(&data_), size * sizeof(T)),
               "cudaMallocHost");
  }
  ~PinnedBuffer() {
    if (!forked_from_cuda()) cudaFreeHost(data_);
  }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  T& operator[](std::size_t i) { return data_[i]; }
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

}  // namespace descend::engine
