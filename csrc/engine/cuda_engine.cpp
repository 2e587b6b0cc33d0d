#include "engine/cuda_engine.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "core/aligned_buffer.hpp"
#include "core/checks.hpp"
#include "core/thread_team.hpp"
#include "engine/cuda_memory.hpp"
#include "engine/gradient_pieces.hpp"
#include "engine/minibatch.hpp"
#include "kernels/cuda_kernels.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

using kernels::CudaElements;
using kernels::CudaEnd;
using kernels::CudaStepEntry;
using kernels::kMostStates;

// Rows that go through the layers together; longer steps take several such parts.
constexpr std::size_t kMostRows = 8 * kBlockRows;

// Elements of theta whose squares or penalties are summed together, as ParameterBlocks takes them.
constexpr std::size_t kSumElements = 4096;

// Steps that one launch of a graph takes.
constexpr std::size_t kGraphSteps = 16;

// Between two parts of a step the host waits, and asks whether to go on, where a part takes so
// many operations: some milliseconds.
constexpr double kLongPartFlops = 2e11;

constexpr std::size_t kUploadBytes = std::size_t{32} << 20;

static_assert(kRowBlocks == kernels::kRowParts);

// A CUDA stream of its own, or what else is made and destroyed so.
template <class Handle, cudaError_t (*kDestroy)(Handle)>
class Owned {
 public:
  Owned() = default;
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

// Pinned memory, which the GPU copies from and to while the host goes on.
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

template <class T>
kernels::CudaDropout<T> dropout_of(double rate, std::size_t layer, bool drops) {
  if (!drops || rate == 0.0) return {};
  return {static_cast<std::uint32_t>(rate * 0x1p32), static_cast<std::uint32_t>(layer),
          static_cast<T>(1.0 / (1.0 - rate))};
}

}  // namespace

// ---- a GPU -------------------------------------------------------------------------------------

bool has_cuda() { return true; }

std::vector<std::string> cuda_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return {};
  }
  std::vector<std::string> names;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    names.emplace_back(properties.name);
  }
  return names;
}

void check_cuda_device(const char* where) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (code == cudaSuccess && count > 0) return;
  throw core::invalid(where, ": device 'cuda' needs an NVIDIA GPU and its driver, but CUDA says: ",
                      code == cudaSuccess ? "no device" : cudaGetErrorString(code),
                      "; device 'cpu' needs neither.");
}

// ---- the engine --------------------------------------------------------------------------------

template <class T>
class CudaEngine<T>::Work {
 public:
  Work(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
       const Optimizer& optimizer, bool keeps_average);

  double step_flops(std::size_t rows) const { return core::step_flops(rows, layout_.count); }
  void reserve(std::size_t batch_rows);
  bool begin(const CudaCall<T>& call, const std::function<bool()>& goes_on);
  void take_parameters() { write_vector(theta_[current_], call_.vectors.theta); }
  void take_vectors();
  CudaStretch run(const std::vector<CudaStepPlan>& steps, const std::function<bool()>& goes_on);
  void finish();
  void bring_vectors();

 private:
  struct Layer {
    std::size_t ld = 0;
    CudaBuffer<T> z, a, d_z, dropped;  // as Propagation has them
  };

  /// One launch of the layers' gradients over some rows, and the sums that it leaves to be added.
  struct GradientPass {
    CudaBuffer<kernels::CudaGradient<T>> layers;
    kernels::CudaGradientPlan plan;
    bool combines, adds;
    CudaBuffer<CudaElements> elements;  // where it combines
    unsigned blocks = 0;
  };

  /// Rows of a step that go through the layers together.
  struct Part {
    std::size_t offset, rows;
    bool is_first, is_last;
    std::size_t partial_size = 0;
    std::vector<GradientPass> passes;
  };

  /// How steps of so many rows go.
  struct Shape {
    std::size_t rows = 0;
    std::vector<Part> parts;
    CudaBuffer<CudaElements> updates, sums;  // parts of theta
    unsigned update_blocks = 0, sum_blocks = 0;
    Owned<cudaGraphExec_t, cudaGraphExecDestroy> graph;  // of kGraphSteps steps
    bool graph_has_labels = false;
  };

  void write_vector(CudaBuffer<T>& to, const T* from) { to.write(from, layout_.size, stream()); }
  bool upload(CudaBuffer<unsigned char>& to, const ConstMatrixView& matrix, std::size_t& ld,
              const std::function<bool()>& goes_on);
  bool upload_bytes(unsigned char* to, const void* from, std::size_t bytes,
                    const std::function<bool()>& goes_on);
  bool upload_sparse(const InputView& inputs, const std::function<bool()>& goes_on);
  bool take_examples(const Examples& examples, const std::function<bool()>& goes_on);

  Shape& shape_of(std::size_t rows);
  void plan_part(Shape& shape, Part& part, std::vector<unsigned>& row_blocks);
  std::vector<CudaElements> elements(std::size_t most, const std::vector<unsigned>& row_blocks,
                                     const std::vector<std::size_t>& partial) const;
  static unsigned copied(const std::vector<CudaElements>& elements, CudaBuffer<CudaElements>& to);

  kernels::CudaStep<T> step() const;
  kernels::CudaUpdate<T> update_of(const Part& part, const CudaBuffer<CudaElements>& elements,
                                   unsigned blocks) const;
  void forward(const kernels::CudaStep<T>& step, std::size_t rows);
  void loss(const kernels::CudaStep<T>& step, const Part& part);
  void backward(const kernels::CudaStep<T>& step, std::size_t rows);
  bool submit(Shape& shape, const std::function<bool()>& goes_on);
  void submit_graph(Shape& shape);
  void write_entries(const std::vector<CudaStepPlan>& steps);
  void wait() { check_cuda(cudaStreamSynchronize(stream()), "cudaStreamSynchronize"); }

  bool has_labels() const { return call_.examples.targets.are_labels(); }
  bool smooths() const { return call_.label_smoothing > 0.0; }
  /// What the products of layer l read.
  const T* input_of(std::size_t l) const {
    if (l == 0) return x_.data();
    const Layer& below = layers_[l - 1];
    return below.dropped.size() > 0 && call_.dropout != nullptr ? below.dropped.data()
                                                                : below.a.data();
  }
  std::size_t ld_of_input(std::size_t l) const { return l == 0 ? ld_x_ : layers_[l - 1].ld; }
  kernels::CudaDropout<T> dropout_behind(std::size_t l) const {
    return dropout_of<T>(spec_.layers[l].dropout, l + 1, call_.dropout != nullptr);
  }
  /// What f' of layer l is computed from; null where f' is 1.
  const T* slope_source(std::size_t l) const {
    if (spec_.layers[l].activation == Activation::identity) return nullptr;
    return layers_[l].z.size() > 0 ? layers_[l].z.data() : layers_[l].a.data();
  }
  cudaStream_t stream() const { return stream_.get(); }

  const NetworkSpec& spec_;
  const ParameterLayout& layout_;
  Loss loss_;
  const Optimizer& optimizer_;
  const kernels::CudaKernels<T>& kernels_ = kernels::cuda_kernels<T>();
  Owned<cudaStream_t, cudaStreamDestroy> stream_;

  CudaBuffer<T> theta_[2], state_[kMostStates][2], average_[2];
  unsigned current_ = 0;  // which of both holds the vectors
  CudaBuffer<T> gradient_, partial_;

  std::size_t rows_ = 0;  // there is room for
  std::size_t ld_x_, ld_y_;
  CudaBuffer<T> x_, y_, scale_, losses_;
  CudaBuffer<std::int32_t> labels_;
  CudaBuffer<std::size_t> row_;
  std::vector<Layer> layers_;
  std::vector<std::unique_ptr<Shape>> shapes_;  // the last few

  CudaCall<T> call_{};
  std::uint64_t serial_ = 0;  // of the examples that are here
  CudaBuffer<unsigned char> inputs_, targets_;
  std::size_t ld_inputs_ = 0, ld_targets_ = 0;
  CudaBuffer<double> weights_;
  CudaBuffer<std::size_t> order_;
  CudaBuffer<T> outputs_;

  CudaBuffer<kernels::CudaControl> control_{1};
  CudaBuffer<CudaStepEntry> entries_{kMostCudaSteps};
  CudaBuffer<kernels::CudaStepResult> results_{kMostCudaSteps};
  CudaBuffer<kernels::CudaExamples> examples_{1};
  CudaBuffer<double> sums_;
  PinnedBuffer<kernels::CudaControl> host_control_{1};
  PinnedBuffer<CudaStepEntry> host_entries_{kMostCudaSteps};
  PinnedBuffer<kernels::CudaStepResult> host_results_{kMostCudaSteps};
};

template <class T>
CudaEngine<T>::Work::Work(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
                          const Optimizer& optimizer, bool keeps_average)
    : spec_(spec),
      layout_(layout),
      loss_(loss),
      optimizer_(optimizer),
      ld_x_(kernels::padded<T>(spec.inputs)),
      ld_y_(kernels::padded<T>(layout.layers.back().units)) {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
  stream_.reset(stream);
  for (int copy = 0; copy < 2; ++copy) {
    theta_[copy].reserve(layout.size);
    for (std::size_t k = 0; k < state_vectors(optimizer); ++k) state_[k][copy].reserve(layout.size);
    if (keeps_average) average_[copy].reserve(layout.size);
  }
  gradient_.reserve(layout.size);
  sums_.reserve(layout.size / kSumElements + 2 * layout.layers.size());
}

template <class T>
void CudaEngine<T>::Work::reserve(std::size_t batch_rows) {
  const std::size_t rows = std::min(batch_rows, kMostRows);
  if (rows <= rows_) return;
  rows_ = 0;
  shapes_.clear();
  x_.reserve(rows * ld_x_);
  y_.reserve(rows * ld_y_);
  scale_.reserve(rows);
  losses_.reserve(rows);
  labels_.reserve(rows);
  row_.reserve(rows);
  layers_.resize(spec_.layers.size());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Dense& dense = spec_.layers[l];
    Layer& layer = layers_[l];
    layer.ld = kernels::padded<T>(dense.units);
    const std::size_t size = rows * layer.ld;
    if (derivative_needs_z(dense.activation)) layer.z.reserve(size);
    layer.a.reserve(size);
    layer.d_z.reserve(size);
    if (dense.dropout > 0) layer.dropped.reserve(size);
  }
  rows_ = rows;
}

// ---- a call's data -----------------------------------------------------------------------------

template <class T>
bool CudaEngine<T>::Work::upload_bytes(unsigned char* to, const void* from, std::size_t bytes,
                                       const std::function<bool()>& goes_on) {
  for (std::size_t begin = 0; begin < bytes; begin += kUploadBytes) {
    check_cuda(
        cudaMemcpyAsync(to + begin, static_cast<const unsigned char*>(from) + begin,
                        std::min(kUploadBytes, bytes - begin), cudaMemcpyHostToDevice, stream()),
        "cudaMemcpyAsync");
    if (begin > 0 && !goes_on()) return false;
  }
  return true;
}

// Rows side by side, or as they stand where they overlap.
template <class T>
bool CudaEngine<T>::Work::upload(CudaBuffer<unsigned char>& to, const ConstMatrixView& matrix,
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
                                 rows, cudaMemcpyHostToDevice, stream()),
               "cudaMemcpy2DAsync");
    if (row > 0 && !goes_on()) return false;
  }
  return true;
}

// Sparse rows become dense ones of T, so many at a time.
template <class T>
bool CudaEngine<T>::Work::upload_sparse(const InputView& inputs,
                                        const std::function<bool()>& goes_on) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const std::size_t row_bytes = ld_x_ * sizeof(T);
  const std::size_t together =
      std::min(std::max<std::size_t>(kUploadBytes / row_bytes, 1), inputs.rows());
  core::AlignedBuffer<T> dense(together * ld_x_);
  inputs_.reserve(core::checked_product(inputs.rows(), row_bytes, "device 'cuda': sparse X"));
  ld_inputs_ = ld_x_;
  for (std::size_t row = 0; row < inputs.rows(); row += together) {
    const std::size_t count = std::min(together, inputs.rows() - row);
    rows_of(kernels, inputs, Rows{nullptr, row, count}, dense.data(), ld_x_);
    const bool whole =
        upload_bytes(inputs_.data() + row * row_bytes, dense.data(), count * row_bytes, goes_on);
    wait();  // the next rows take the place of these
    if (!whole || (row > 0 && !goes_on())) return false;
  }
  return true;
}

template <class T>
bool CudaEngine<T>::Work::take_examples(const Examples& examples,
                                        const std::function<bool()>& goes_on) {
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
    weights_.write(examples.weights, examples.inputs.rows(), stream());
  }
  return true;
}

template <class T>
bool CudaEngine<T>::Work::begin(const CudaCall<T>& call, const std::function<bool()>& goes_on) {
  const bool has_examples = serial_ != 0 && serial_ == call.serial;
  call_ = call;
  if (!has_examples) {
    serial_ = 0;
    if (!take_examples(call.examples, goes_on)) return false;
    serial_ = call.serial;
  }
  const Rows& rows = call.rows;
  if (rows.order != nullptr) {
    order_.reserve(rows.count);
    order_.write(rows.order + rows.first, rows.count, stream());
  }
  const Targets& targets = call.examples.targets;
  const std::size_t outputs = layout_.layers.back().units;
  if (call.outputs != nullptr) {
    const std::size_t size = call.examples.inputs.rows() * outputs;
    outputs_.reserve(size);
    outputs_.write(static_cast<const T*>(call.outputs), size, stream());
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
  examples_.write(&examples, 1, stream());
  wait();  // the order and the examples are the caller's
  return true;
}

template <class T>
void CudaEngine<T>::Work::take_vectors() {
  const Vectors<T>& vectors = call_.vectors;
  take_parameters();
  for (std::size_t k = 0; k < kMostStates; ++k) {
    if (vectors.state[k] != nullptr) write_vector(state_[k][current_], vectors.state[k]);
  }
  if (vectors.average != nullptr) write_vector(average_[current_], vectors.average);
}

template <class T>
void CudaEngine<T>::Work::bring_vectors() {
  const Vectors<T>& vectors = call_.vectors;
  for (std::size_t k = 0; k < kMostStates; ++k) {
    if (vectors.state[k] != nullptr) {
      state_[k][current_].read(vectors.state[k], layout_.size, stream());
    }
  }
  if (vectors.average != nullptr) {
    average_[current_].read(vectors.average, layout_.size, stream());
  }
  wait();
}

template <class T>
void CudaEngine<T>::Work::finish() {
  theta_[current_].read(call_.vectors.theta, layout_.size, stream());
  if (call_.outputs != nullptr) {
    outputs_.read(static_cast<T*>(call_.outputs),
                  call_.examples.inputs.rows() * layout_.layers.back().units, stream());
  }
  wait();
}

// ---- how a step goes ---------------------------------------------------------------------------

template <class T>
std::vector<CudaElements> CudaEngine<T>::Work::elements(
    std::size_t most, const std::vector<unsigned>& row_blocks,
    const std::vector<std::size_t>& partial) const {
  std::vector<CudaElements> all;
  for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    const auto add = [&](std::size_t offset, std::size_t size, bool are_biases) {
      for (std::size_t begin = 0; begin < size; begin += most) {
        all.push_back({offset + begin, static_cast<unsigned>(std::min(most, size - begin)),
                       are_biases, row_blocks[l], partial[l] + offset + begin - place.weights});
      }
    };
    add(place.weights, kernels::paneled_size<T>(place.inputs, place.units), false);
    add(place.bias, kernels::padded<T>(place.units), true);
  }
  return all;
}

template <class T>
unsigned CudaEngine<T>::Work::copied(const std::vector<CudaElements>& elements,
                                     CudaBuffer<CudaElements>& to) {
  to.reserve(elements.size());
  check_cuda(cudaMemcpy(to.data(), elements.data(), elements.size() * sizeof(CudaElements),
                        cudaMemcpyHostToDevice),
             "cudaMemcpy");
  return static_cast<unsigned>(elements.size());
}

// The gradients of a part's rows. Blocks of kBlockRows rows are summed as GradientPieces sums
// them: as one chain that goes on from block to block, or each as kRowBlocks chains, the last one,
// which is shorter, not always as the others. `row_blocks` is what the update of a step of one part
// has to add up.
template <class T>
void CudaEngine<T>::Work::plan_part(Shape& shape, Part& part, std::vector<unsigned>& row_blocks) {
  const std::size_t count = layout_.layers.size();
  const std::size_t whole = part.rows / kBlockRows * kBlockRows, rest = part.rows - whole;
  std::vector<kernels::CudaGradient<T>> first, second;
  std::vector<std::size_t> partial(count);
  for (std::size_t l = 0; l < count; ++l) {
    const LayerLayout& place = layout_.layers[l];
    const auto in_parts = [&](std::size_t rows) {
      return rows > 0 && sums_row_blocks(place, rows, layout_.count);
    };
    kernels::CudaGradient<T> gradient{};
    gradient.inputs = place.inputs;
    gradient.units = place.units;
    gradient.x = input_of(l);
    gradient.ld_x = ld_of_input(l);
    gradient.d_z = layers_[l].d_z.data();
    gradient.ld_d_z = layers_[l].ld;
    gradient.row_end = part.rows;
    gradient.weights = place.weights;
    gradient.bias = place.bias;
    gradient.out = gradient_.data();
    gradient.goes_on = !part.is_first;
    const bool whole_in_parts = in_parts(whole > 0 ? kBlockRows : 0),
               rest_in_parts = in_parts(rest);
    if (whole_in_parts || rest_in_parts) {
      if (whole_in_parts && rest > 0 && !rest_in_parts) {
        kernels::CudaGradient<T> last = gradient;
        last.row_begin = whole;
        last.goes_on = true;
        second.push_back(last);
        gradient.row_end = whole;
      }
      partial[l] = part.partial_size;
      gradient.block_rows = kBlockRows;
      gradient.goes_on = false;
      gradient.weights = partial[l];
      gradient.bias = partial[l] + place.bias - place.weights;
      part.partial_size += kernels::paneled_size<T>(place.inputs + 1, place.units);
      row_blocks[l] = static_cast<unsigned>((gradient.row_end + kBlockRows - 1) / kBlockRows);
    }
    first.push_back(gradient);
  }
  std::size_t most_chains = 0;
  for (const unsigned blocks : row_blocks) most_chains = std::max<std::size_t>(most_chains, blocks);
  most_chains *= kRowBlocks;
  if (partial_.size() < most_chains * part.partial_size) {
    shapes_.clear();  // they write to it where it was
    partial_.reserve(most_chains * part.partial_size);
  }
  for (kernels::CudaGradient<T>& gradient : first) {
    if (gradient.block_rows == 0) continue;
    gradient.out = partial_.data();
    gradient.out_size = part.partial_size;
  }
  const bool is_whole_step = part.is_first && part.is_last;
  const auto add_pass = [&](std::vector<kernels::CudaGradient<T>>& layers, bool combines) {
    GradientPass& pass = part.passes.emplace_back();
    pass.plan = kernels_.plan_gradients(layers.data(), layers.size());
    pass.layers.reserve(layers.size());
    check_cuda(cudaMemcpy(pass.layers.data(), layers.data(),
                          layers.size() * sizeof(kernels::CudaGradient<T>), cudaMemcpyHostToDevice),
               "cudaMemcpy");
    pass.combines = combines;
    pass.adds = !part.is_first;
    if (combines) {
      pass.blocks = copied(elements(kernels::kUpdateElements, row_blocks, partial), pass.elements);
    }
  };
  add_pass(first, most_chains > 0 && !(is_whole_step && second.empty()));
  if (!second.empty()) add_pass(second, false);
  if (!is_whole_step || !second.empty()) std::fill(row_blocks.begin(), row_blocks.end(), 0u);
  if (!part.is_last) return;
  shape.update_blocks =
      copied(elements(kernels::kUpdateElements, row_blocks, partial), shape.updates);
  shape.sum_blocks = copied(elements(kSumElements, row_blocks, partial), shape.sums);
}

template <class T>
typename CudaEngine<T>::Work::Shape& CudaEngine<T>::Work::shape_of(std::size_t rows) {
  for (const auto& shape : shapes_) {
    if (shape->rows == rows) return *shape;
  }
  constexpr std::size_t kKept = 4;
  if (shapes_.size() == kKept) shapes_.erase(shapes_.begin());
  auto shape = std::make_unique<Shape>();
  shape->rows = rows;
  for (std::size_t offset = 0; offset < rows; offset += kMostRows) {
    Part part{
        offset, std::min(kMostRows, rows - offset), offset == 0, offset + kMostRows >= rows, 0, {}};
    std::vector<unsigned> row_blocks(layout_.layers.size());
    plan_part(*shape, part, row_blocks);
    shape->parts.push_back(std::move(part));
  }
  return *shapes_.emplace_back(std::move(shape));
}

template <class T>
kernels::CudaStep<T> CudaEngine<T>::Work::step() const {
  kernels::CudaStep<T> step{};
  step.control = control_.data();
  step.entries = entries_.data();
  step.results = results_.data();
  step.examples = examples_.data();
  for (int copy = 0; copy < 2; ++copy) {
    step.vectors.theta[copy] = theta_[copy].data();
    for (std::size_t k = 0; k < kMostStates; ++k) {
      step.vectors.state[k][copy] = state_[k][copy].data();
    }
    step.vectors.average[copy] = average_[copy].data();
  }
  step.vectors.average_decay = static_cast<T>(call_.vectors.average_decay);
  step.vectors.average_rest = static_cast<T>(1.0 - call_.vectors.average_decay);
  return step;
}

template <class T>
kernels::CudaUpdate<T> CudaEngine<T>::Work::update_of(const Part& part,
                                                      const CudaBuffer<CudaElements>& elements,
                                                      unsigned blocks) const {
  kernels::CudaUpdate<T> update{};
  update.elements = elements.data();
  update.blocks = blocks;
  update.gradient = gradient_.data();
  update.partial = partial_.data();
  update.partial_size = part.partial_size;
  update.has_penalty = call_.has_penalty;
  update.clips_value = call_.clipping.by_value();
  update.clip_value = static_cast<T>(call_.clipping.value);
  update.clips_norm = call_.clipping.by_norm();
  update.clip_norm = call_.clipping.norm;
  update.sums = sums_.data();
  return update;
}

template <class T>
void CudaEngine<T>::Work::forward(const kernels::CudaStep<T>& step, std::size_t rows) {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    Layer& layer = layers_[l];
    const bool drops = call_.dropout != nullptr && layer.dropped.size() > 0;
    kernels_.forward(
        step,
        {rows, place.inputs, place.units, input_of(l), ld_of_input(l), place.weights, place.bias,
         layer.z.data(), layer.a.data(), drops ? layer.dropped.data() : nullptr, layer.ld,
         spec_.layers[l].activation, dropout_behind(l), row_.data()},
        stream());
  }
}

template <class T>
void CudaEngine<T>::Work::loss(const kernels::CudaStep<T>& step, const Part& part) {
  const std::size_t last = layers_.size() - 1;
  const Layer& output = layers_[last];
  kernels::CudaLoss<T> loss{};
  loss.rows = part.rows;
  loss.outputs = layout_.layers[last].units;
  loss.loss = loss_;
  loss.activation = spec_.layers[last].activation;
  loss.f = output.a.data();
  loss.z_or_a = slope_source(last);
  loss.d_z = output.d_z.data();
  loss.ld = output.ld;
  loss.y = has_labels() && !smooths() ? nullptr : y_.data();
  loss.ld_y = ld_y_;
  loss.labels = labels_.data();
  loss.labelled = has_labels();
  loss.scale = scale_.data();
  loss.row = row_.data();
  loss.losses = losses_.data();
  loss.block_rows = kBlockRows;
  loss.is_first = part.is_first;
  loss.is_last = part.is_last;
  kernels_.loss(step, loss, stream());
}

template <class T>
void CudaEngine<T>::Work::backward(const kernels::CudaStep<T>& step, std::size_t rows) {
  for (std::size_t l = layers_.size() - 1; l > 0; --l) {
    const LayerLayout& place = layout_.layers[l];
    const Layer& layer = layers_[l];
    const Layer& below = layers_[l - 1];
    kernels_.backward_input(step,
                            {rows, place.inputs, place.units, layer.d_z.data(), layer.ld,
                             place.weights, slope_source(l - 1), below.d_z.data(), below.ld,
                             spec_.layers[l - 1].activation, dropout_behind(l - 1), row_.data()},
                            stream());
  }
}

// One step. Returns false where it was given up, before its update.
template <class T>
bool CudaEngine<T>::Work::submit(Shape& shape, const std::function<bool()>& goes_on) {
  const kernels::CudaStep<T> step = this->step();
  const auto sums = update_of(shape.parts.back(), shape.sums, shape.sum_blocks);
  if (call_.has_penalty) kernels_.measure_penalty(step, sums, stream());
  for (const Part& part : shape.parts) {
    if (!part.is_first && step_flops(part.rows) > kLongPartFlops) {
      wait();
      if (!goes_on()) return false;
    }
    kernels::CudaGather<T> gather{};
    gather.offset = part.offset;
    gather.rows = part.rows;
    gather.inputs = spec_.inputs;
    gather.outputs = layout_.layers.back().units;
    gather.dropout = dropout_of<T>(spec_.input_dropout, 0, call_.dropout != nullptr);
    gather.smooths = smooths();
    if (smooths()) {
      const double choices =
          target_kind(loss_) == TargetKind::labels ? static_cast<double>(gather.outputs) : 2.0;
      gather.kept_target = static_cast<T>(1.0 - call_.label_smoothing);
      gather.rest_target = static_cast<T>(call_.label_smoothing / choices);
    }
    gather.x = x_.data();
    gather.ld_x = ld_x_;
    gather.y = has_labels() && !smooths() ? nullptr : y_.data();
    gather.ld_y = ld_y_;
    gather.labels = labels_.data();
    gather.scale = scale_.data();
    gather.row = row_.data();
    kernels_.gather(step, gather, stream());
    forward(step, part.rows);
    loss(step, part);
    backward(step, part.rows);
    for (const GradientPass& pass : part.passes) {
      kernels_.gradients(step, pass.layers.data(), pass.plan, stream());
      if (pass.combines) {
        kernels_.combine(step, update_of(part, pass.elements, pass.blocks), pass.adds, stream());
      }
    }
  }
  if (call_.clipping.by_norm()) kernels_.clip_norm(step, sums, stream());
  const void* const hyperparameters =
      std::visit([](const auto& rule) -> const void* { return &rule; }, optimizer_);
  kernels_.update[optimizer_.index()](
      hyperparameters, step, update_of(shape.parts.back(), shape.updates, shape.update_blocks),
      stream());
  check_cuda(cudaGetLastError(), "a kernel's launch");
  return true;
}

// kGraphSteps steps, whose launches are recorded once.
template <class T>
void CudaEngine<T>::Work::submit_graph(Shape& shape) {
  if (shape.graph.get() == nullptr || shape.graph_has_labels != has_labels()) {
    shape.graph.reset();
    check_cuda(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal),
               "cudaStreamBeginCapture");
    for (std::size_t i = 0; i < kGraphSteps; ++i) submit(shape, [] { return true; });
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamEndCapture(stream(), &graph), "cudaStreamEndCapture");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(code, "cudaGraphInstantiate");
    shape.graph.reset(executable);
    shape.graph_has_labels = has_labels();
  }
  check_cuda(cudaGraphLaunch(shape.graph.get(), stream()), "cudaGraphLaunch");
}

// ---- stretches ---------------------------------------------------------------------------------

template <class T>
void CudaEngine<T>::Work::write_entries(const std::vector<CudaStepPlan>& steps) {
  const void* const hyperparameters =
      std::visit([](const auto& rule) -> const void* { return &rule; }, optimizer_);
  const auto make_rule = kernels_.make_rule[optimizer_.index()];
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CudaStepEntry& entry = host_entries_[i];
    entry = {steps[i].first, steps[i].weight, steps[i].penalty.l2, steps[i].penalty.l1, {}, {}};
    make_rule(hyperparameters, steps[i].scalars, true, entry.of_weights);
    make_rule(hyperparameters, steps[i].scalars, false, entry.of_biases);
  }
  entries_.write(host_entries_.data(), steps.size(), stream());
  host_control_[0] = {0, current_, CudaEnd::none, 0, 0, 0.0, 0.0, 1.0};
  control_.write(host_control_.data(), 1, stream());
}

template <class T>
CudaStretch CudaEngine<T>::Work::run(const std::vector<CudaStepPlan>& steps,
                                     const std::function<bool()>& goes_on) {
  write_entries(steps);
  bool interrupted = false;
  for (std::size_t i = 0; i < steps.size() && !interrupted;) {
    Shape& shape = shape_of(steps[i].rows);
    std::size_t end = i;
    while (end < steps.size() && steps[end].rows == shape.rows) ++end;
    if (shape.parts.size() == 1) {
      for (; i + kGraphSteps <= end; i += kGraphSteps) submit_graph(shape);
    }
    for (; i < end && !interrupted; ++i) interrupted = !submit(shape, goes_on);
  }
  control_.read(host_control_.data(), 1, stream());
  results_.read(host_results_.data(), steps.size(), stream());
  wait();
  const kernels::CudaControl& control = host_control_[0];
  current_ = control.current;
  CudaStretch stretch;
  stretch.done = control.steps;
  stretch.non_finite_loss = control.end == CudaEnd::non_finite_loss;
  stretch.overflow = control.end == CudaEnd::overflow;
  stretch.interrupted = interrupted && control.end == CudaEnd::none;
  const std::size_t results = stretch.done + (stretch.non_finite_loss ? 1 : 0);
  for (std::size_t i = 0; i < results; ++i) {
    stretch.steps.push_back({host_results_[i].loss_sum, host_results_[i].penalty_sum});
  }
  return stretch;
}

// ---- what is public ----------------------------------------------------------------------------

template <class T>
CudaEngine<T>::CudaEngine(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
                          const Optimizer& optimizer, bool keeps_average) {
  const CudaDevice device;
  work_ = std::make_unique<Work>(spec, layout, loss, optimizer, keeps_average);
}
template <class T>
CudaEngine<T>::~CudaEngine() = default;

template <class T>
double CudaEngine<T>::step_flops(std::size_t rows) const {
  return work_->step_flops(rows);
}
template <class T>
void CudaEngine<T>::reserve(std::size_t batch_rows) {
  const CudaDevice device;
  work_->reserve(batch_rows);
}
template <class T>
bool CudaEngine<T>::begin(const CudaCall<T>& call, const std::function<bool()>& goes_on) {
  const CudaDevice device;
  return work_->begin(call, goes_on);
}
template <class T>
void CudaEngine<T>::take_parameters() {
  const CudaDevice device;
  work_->take_parameters();
}
template <class T>
void CudaEngine<T>::take_vectors() {
  const CudaDevice device;
  work_->take_vectors();
}
template <class T>
CudaStretch CudaEngine<T>::run(const std::vector<CudaStepPlan>& steps,
                               const std::function<bool()>& goes_on) {
  const CudaDevice device;
  return work_->run(steps, goes_on);
}
template <class T>
void CudaEngine<T>::finish() {
  const CudaDevice device;
  work_->finish();
}
template <class T>
void CudaEngine<T>::bring_vectors() {
  const CudaDevice device;
  work_->bring_vectors();
}

template class CudaEngine<float>;
template class CudaEngine<double>;

}  // namespace descend::engine
