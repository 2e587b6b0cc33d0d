#include "engine/cuda_data.hpp"

#include <algorithm>

#include "core/aligned_buffer.hpp"
#include "core/checks.hpp"
#include "engine/examples.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

constexpr std::size_t kUploadBytes = std::size_t{32} << 20;

}  // namespace

template <class T>
CudaData<T>::CudaData(std::size_t inputs, std::size_t outputs, cudaStream_t stream)
    : ld_sparse_(kernels::padded<T>(inputs)), output_count_(outputs), stream_(stream) {}

template <class T>
bool CudaData<T>::upload_bytes(unsigned char* to, const void* from, std::size_t bytes,
                               const std::function<bool()>& goes_on) {
  for (std::size_t begin = 0; begin < bytes; begin += kUploadBytes) {
    check_cuda(
        cudaMemcpyAsync(to + begin, static_cast<const unsigned char*>(from) + begin,
                        std::min(kUploadBytes, bytes - begin), cudaMemcpyHostToDevice, stream_),
        "cudaMemcpyAsync");
    if (begin > 0 && !goes_on()) return false;
  }
  return true;
}

// Rows side by side, or as they stand where they overlap.
template <class T>
bool CudaData<T>::upload(CudaBuffer<unsigned char>& to, const ConstMatrixView& matrix,
                         std::size_t& ld, const std::function<bool()>& goes_on) {
  const std::size_t size = element_size(matrix.element_type());
  const std::size_t width = matrix.columns() * size, pitch = matrix.row_stride() * size;
  if (matrix.row_stride() <= matrix.columns()) {
    ld = matrix.row_stride();
    const std::size_t bytes = (matrix.rows() - 1) * pitch + width;
    to.reserve(bytes);
    return upload_bytes(to.data(), matrix.data(), bytes, goes_on);
  }
  ld = matrix.columns();
  to.reserve(matrix.rows() * width);
  const std::size_t rows_together = std::max<std::size_t>(kUploadBytes / width, 1);
  for (std::size_t row = 0; row < matrix.rows(); row += rows_together) {
    const std::size_t rows = std::min(rows_together, matrix.rows() - row);
    check_cuda(cudaMemcpy2DAsync(to.data() + row * width, width, matrix.row(row), pitch, width,
                                 rows, cudaMemcpyHostToDevice, stream_),
               "cudaMemcpy2DAsync");
    if (row > 0 && !goes_on()) return false;
  }
  return true;
}

// Sparse rows become dense ones of T, so many at a time.
template <class T>
bool CudaData<T>::upload_sparse(const InputView& inputs, const std::function<bool()>& goes_on) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const std::size_t row_bytes = ld_sparse_ * sizeof(T);
  const std::size_t together =
      std::min(std::max<std::size_t>(kUploadBytes / row_bytes, 1), inputs.rows());
  core::AlignedBuffer<T> dense(together * ld_sparse_);
  inputs_.reserve(core::checked_product(inputs.rows(), row_bytes, "device 'cuda': sparse X"));
  ld_inputs_ = ld_sparse_;
  for (std::size_t row = 0; row < inputs.rows(); row += together) {
    const std::size_t count = std::min(together, inputs.rows() - row);
    rows_of(kernels, inputs, Rows{nullptr, row, count}, dense.data(), ld_sparse_);
    const bool whole =
        upload_bytes(inputs_.data() + row * row_bytes, dense.data(), count * row_bytes, goes_on);
    wait();  // the next rows take the place of these
    if (!whole || (row > 0 && !goes_on())) return false;
  }
  return true;
}

template <class T>
bool CudaData<T>::take_examples(const Examples& examples, const std::function<bool()>& goes_on) {
  const InputView& inputs = examples.inputs;
  if (!(inputs.is_sparse() ? upload_sparse(inputs, goes_on)
                           : upload(inputs_, inputs.dense(), ld_inputs_, goes_on))) {
    return false;
  }
  if (examples.targets.are_labels()) {
    const LabelView& labels = examples.targets.labels();
    const std::size_t bytes = labels.size() * element_size(labels.element_type());
    targets_.reserve(bytes);
    if (!upload_bytes(targets_.data(), labels.data(), bytes, goes_on)) return false;
  } else if (!upload(targets_, examples.targets.values(), ld_targets_, goes_on)) {
    return false;
  }
  if (examples.weights != nullptr) {
    weights_.reserve(examples.inputs.rows());
    weights_.write(examples.weights, examples.inputs.rows(), stream_);
  }
  return true;
}

template <class T>
bool CudaData<T>::take(const CudaCall<T>& call, const std::function<bool()>& goes_on) {
  const bool has_examples = serial_ != 0 && serial_ == call.serial;
  if (!has_examples) {
    serial_ = 0;
    if (!take_examples(call.examples, goes_on)) return false;
    serial_ = call.serial;
  }
  const Rows& rows = call.rows;
  if (rows.order != nullptr) {
    order_.reserve(rows.count);
    order_.write(rows.order + rows.first, rows.count, stream_);
  }
  const Targets& targets = call.examples.targets;
  const std::size_t outputs = output_count_;
  if (call.outputs != nullptr) {
    const std::size_t size = call.examples.inputs.rows() * outputs;
    outputs_.reserve(size);
    outputs_.write(static_cast<const T*>(call.outputs), size, stream_);
  }
  kernels::CudaExamples examples{};
  examples.x = inputs_.data();
  examples.x_type = call.examples.inputs.is_sparse() ? element_type_of<T>()
                                                     : call.examples.inputs.dense().element_type();
  examples.ld_x = ld_inputs_;
  examples.y = targets_.data();
  examples.are_labels = targets.are_labels();
  examples.y_type =
      targets.are_labels() ? targets.labels().element_type() : targets.values().element_type();
  examples.ld_y = ld_targets_;
  examples.weights = call.examples.weights == nullptr ? nullptr : weights_.data();
  examples.order = rows.order == nullptr ? nullptr : order_.data();
  examples.order_begin = rows.first;
  examples.outputs = call.outputs == nullptr ? nullptr : outputs_.data();
  if (call.dropout != nullptr) {
    examples.dropout_key[0] = static_cast<std::uint32_t>(call.dropout->seed);
    examples.dropout_key[1] = static_cast<std::uint32_t>(call.dropout->seed >> 32);
    examples.dropout_index = static_cast<std::uint32_t>(call.dropout->index);
    examples.dropout_purpose = call.dropout->purpose;
  }
  examples_.write(&examples, 1, stream_);
  wait();  // the order and the examples are the caller's
  return true;
}

template <class T>
void CudaData<T>::bring_outputs(const CudaCall<T>& call) {
  if (call.outputs == nullptr) return;
  outputs_.read(static_cast<T*>(call.outputs), call.examples.inputs.rows() * output_count_,
                stream_);
}

template class CudaData<float>;
template class CudaData<double>;

}  // namespace descend::engine
