#include "engine/cuda_engine.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/thread_team.hpp"
#include "engine/cuda_data.hpp"
#include "engine/cuda_gradients.hpp"
#include "engine/cuda_memory.hpp"
#include "engine/cuda_parameters.hpp"
#include "engine/cuda_propagation.hpp"
#include "engine/minibatch.hpp"
#include "kernels/cuda_kernels.hpp"

namespace descend::engine {

namespace {

using kernels::CudaElements;
using kernels::CudaEnd;
using kernels::CudaStepEntry;

// Rows that go through the layers together; longer steps take several such parts.
constexpr std::size_t kMostRows = 8 * kBlockRows;

// Elements of theta whose squares or penalties are summed together, as ParameterBlocks takes them.
constexpr std::size_t kSumElements = 4096;

// Steps that one launch of a graph takes.
constexpr std::size_t kGraphSteps = 16;

// Between two parts of a step the host waits, and asks whether to go on, where a part takes so
// many operations: some milliseconds.
constexpr double kLongPartFlops = 2e11;

// All elements of theta, at most so many together, on the device.
template <class T>
CudaBuffer<CudaElements> elements_of(const ParameterLayout& layout, std::size_t most) {
  std::vector<CudaElements> all;
  const auto add = [&](std::size_t offset, std::size_t size, bool are_biases) {
    for (std::size_t begin = 0; begin < size; begin += most) {
      all.push_back(
          {offset + begin, static_cast<unsigned>(std::min(most, size - begin)), are_biases});
    }
  };
  for (const LayerLayout& place : layout.layers) {
    add(place.weights, kernels::paneled_size<T>(place.inputs, place.units), false);
    add(place.bias, kernels::padded<T>(place.units), true);
  }
  CudaBuffer<CudaElements> elements(all.size());
  check_cuda(cudaMemcpy(elements.data(), all.data(), all.size() * sizeof(CudaElements),
                        cudaMemcpyHostToDevice),
             "cudaMemcpy");
  return elements;
}

}  // namespace

template <class T>
class CudaEngine<T>::Work {
 public:
  Work(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
       const Optimizer& optimizer, bool keeps_average);

  double step_flops(std::size_t rows) const { return core::step_flops(rows, layout_.count); }
  void reserve(std::size_t batch_rows);
  bool begin(const CudaCall<T>& call, const std::function<bool()>& goes_on);
  void take_parameters() { parameters_.take_theta(call_.vectors); }
  void take_vectors() { parameters_.take_all(call_.vectors); }
  CudaStretch run(const std::vector<CudaStepPlan>& steps, const std::function<bool()>& goes_on);
  void finish();
  void bring_vectors();

 private:
  struct Part {
    CudaRows rows;
    CudaGradientPass<T> gradients;
  };

  /// How steps of so many rows go.
  struct Shape {
    std::size_t rows = 0;
    std::vector<Part> parts;
    Owned<cudaGraphExec_t, cudaGraphExecDestroy> graph;  // of kGraphSteps steps
    bool graph_has_labels = false;
  };

  Shape& shape_of(std::size_t rows);
  kernels::CudaStep<T> step() const;
  kernels::CudaUpdate<T> update_of(const CudaBuffer<CudaElements>& elements) const;
  bool submit(Shape& shape, const std::function<bool()>& goes_on);
  void submit_graph(Shape& shape);
  void write_entries(const std::vector<CudaStepPlan>& steps);
  void wait() { check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

  bool has_labels() const { return call_.examples.targets.are_labels(); }

  const ParameterLayout& layout_;
  const Optimizer& optimizer_;
  const kernels::CudaKernels<T>& kernels_ = kernels::cuda_kernels<T>();
  Owned<cudaStream_t, cudaStreamDestroy> owned_stream_;
  const cudaStream_t stream_;

  CudaParameters<T> parameters_;
  CudaPropagation<T> propagation_;
  CudaGradients<T> gradients_;
  CudaData<T> data_;
  CudaCall<T> call_{};

  CudaBuffer<T> gradient_, partial_;
  CudaBuffer<CudaElements> updated_, summed_;  // parts of theta
  CudaBuffer<double> sums_;
  std::vector<std::unique_ptr<Shape>> shapes_;  // the last few

  CudaBuffer<kernels::CudaControl> control_{1};
  CudaBuffer<CudaStepEntry> entries_{kMostCudaSteps};
  CudaBuffer<kernels::CudaStepResult> results_{kMostCudaSteps};
  PinnedBuffer<kernels::CudaControl> host_control_{1};
  PinnedBuffer<CudaStepEntry> host_entries_{kMostCudaSteps};
  PinnedBuffer<kernels::CudaStepResult> host_results_{kMostCudaSteps};
};

namespace {

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
  return stream;
}

}  // namespace

template <class T>
CudaEngine<T>::Work::Work(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
                          const Optimizer& optimizer, bool keeps_average)
    : layout_(layout),
      optimizer_(optimizer),
      owned_stream_(new_stream()),
      stream_(owned_stream_.get()),
      parameters_(layout.size, state_vectors(optimizer), keeps_average, stream_),
      propagation_(spec, layout, loss),
      gradients_(layout, propagation_),
      data_(spec.inputs, layout.layers.back().units, stream_),
      updated_(elements_of<T>(layout, kernels::kUpdateElements)),
      summed_(elements_of<T>(layout, kSumElements)),
      sums_(summed_.size()) {
  gradient_.reserve(layout.size);
}

template <class T>
void CudaEngine<T>::Work::reserve(std::size_t batch_rows) {
  if (propagation_.reserve(std::min(batch_rows, kMostRows))) shapes_.clear();
}

template <class T>
bool CudaEngine<T>::Work::begin(const CudaCall<T>& call, const std::function<bool()>& goes_on) {
  call_ = call;
  return data_.take(call, goes_on);
}

template <class T>
void CudaEngine<T>::Work::bring_vectors() {
  parameters_.bring_others(call_.vectors);
  wait();
}

template <class T>
void CudaEngine<T>::Work::finish() {
  parameters_.bring_theta(call_.vectors);
  data_.bring_outputs(call_);
  wait();
}

// ---- a step ------------------------------------------------------------------------------------

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
    const CudaRows part{offset, std::min(kMostRows, rows - offset), offset == 0,
                        offset + kMostRows >= rows};
    // The first part has the most rows, and needs the most room.
    const auto partial = gradients_.partial_of(part);
    if (partial_.size() < partial.count * partial.size) {
      shapes_.clear();  // they write to it where it was
      partial_.reserve(partial.count * partial.size);
    }
    shape->parts.push_back(
        {part, gradients_.plan(part, call_.dropout != nullptr, partial_.data())});
  }
  return *shapes_.emplace_back(std::move(shape));
}

template <class T>
kernels::CudaStep<T> CudaEngine<T>::Work::step() const {
  return {control_.data(), entries_.data(), results_.data(), data_.examples(),
          parameters_.vectors(call_.vectors.average_decay)};
}

template <class T>
kernels::CudaUpdate<T> CudaEngine<T>::Work::update_of(
    const CudaBuffer<CudaElements>& elements) const {
  kernels::CudaUpdate<T> update{};
  update.gradient = gradient_.data();
  update.has_penalty = call_.has_penalty;
  update.clips_value = call_.clipping.by_value();
  update.clip_value = static_cast<T>(call_.clipping.value);
  update.clips_norm = call_.clipping.by_norm();
  update.clip_norm = call_.clipping.norm;
  update.elements = elements.data();
  update.blocks = static_cast<unsigned>(elements.size());
  update.sums = sums_.data();
  return update;
}

// One step. Returns false where it was given up, before its update.
template <class T>
bool CudaEngine<T>::Work::submit(Shape& shape, const std::function<bool()>& goes_on) {
  const kernels::CudaStep<T> step = this->step();
  const kernels::CudaUpdate<T> update = update_of(updated_), sums = update_of(summed_);
  const void* const hyperparameters =
      std::visit([](const auto& rule) -> const void* { return &rule; }, optimizer_);
  if (call_.has_penalty) kernels_.measure_penalty(step, sums, stream_);
  for (const Part& part : shape.parts) {
    if (!part.rows.is_first && step_flops(part.rows.count) > kLongPartFlops) {
      wait();
      if (!goes_on()) return false;
    }
    propagation_.run(step, call_, part.rows, stream_);
    kernels_.gradients(step, part.gradients.layers.data(), part.gradients.plan, gradient_.data(),
                       stream_);
  }
  if (update.clips_norm) kernels_.clip_norm(step, sums, stream_);
  kernels_.update[optimizer_.index()](hyperparameters, step, update, stream_);
  check_cuda(cudaGetLastError(), "a kernel's launch");
  return true;
}

// kGraphSteps steps, whose launches are recorded once.
template <class T>
void CudaEngine<T>::Work::submit_graph(Shape& shape) {
  if (shape.graph.get() == nullptr || shape.graph_has_labels != has_labels()) {
    shape.graph.reset();
    check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
               "cudaStreamBeginCapture");
    for (std::size_t i = 0; i < kGraphSteps; ++i) submit(shape, [] { return true; });
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(code, "cudaGraphInstantiate");
    shape.graph.reset(executable);
    shape.graph_has_labels = has_labels();
  }
  check_cuda(cudaGraphLaunch(shape.graph.get(), stream_), "cudaGraphLaunch");
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
  entries_.write(host_entries_.data(), steps.size(), stream_);
  host_control_[0] = {0, parameters_.current(), CudaEnd::none, 0, 0, 0.0, 0.0, 1.0};
  control_.write(host_control_.data(), 1, stream_);
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
  control_.read(host_control_.data(), 1, stream_);
  results_.read(host_results_.data(), steps.size(), stream_);
  wait();
  const kernels::CudaControl& control = host_control_[0];
  parameters_.set_current(control.current);
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
