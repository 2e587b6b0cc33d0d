#include "engine/cuda_propagation.hpp"

#include "engine/minibatch.hpp"

namespace descend::engine {

static_assert(kRowBlocks == kernels::kRowParts);

namespace {

template <class T>
kernels::CudaDropout<T> dropout_of(double rate, std::size_t layer, bool drops) {
  if (!drops || rate == 0.0) return {};
  return {static_cast<std::uint32_t>(rate * 0x1p32), static_cast<std::uint32_t>(layer),
          static_cast<T>(1.0 / (1.0 - rate))};
}

template <class T>
bool has_labels(const CudaCall<T>& call) {
  return call.examples.targets.are_labels();
}
template <class T>
bool smooths(const CudaCall<T>& call) {
  return call.label_smoothing > 0.0;
}

}  // namespace

template <class T>
CudaPropagation<T>::CudaPropagation(const NetworkSpec& spec, const ParameterLayout& layout,
                                    Loss loss)
    : spec_(spec),
      layout_(layout),
      loss_(loss),
      ld_x_(kernels::padded<T>(spec.inputs)),
      ld_y_(kernels::padded<T>(layout.layers.back().units)) {}

template <class T>
bool CudaPropagation<T>::reserve(std::size_t rows) {
  if (rows <= rows_) return false;
  rows_ = 0;
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
  return true;
}

template <class T>
const T* CudaPropagation<T>::input_of(std::size_t l, bool drops) const {
  if (l == 0) return x_.data();
  const Layer& below = layers_[l - 1];
  return below.dropped.size() > 0 && drops ? below.dropped.data() : below.a.data();
}

template <class T>
kernels::CudaDropout<T> CudaPropagation<T>::dropout_behind(std::size_t l,
                                                           const CudaCall<T>& call) const {
  return dropout_of<T>(spec_.layers[l].dropout, l + 1, call.dropout != nullptr);
}

template <class T>
const T* CudaPropagation<T>::slope_source(std::size_t l) const {
  if (spec_.layers[l].activation == Activation::identity) return nullptr;
  return layers_[l].z.size() > 0 ? layers_[l].z.data() : layers_[l].a.data();
}

template <class T>
void CudaPropagation<T>::run(const kernels::CudaStep<T>& step, const CudaCall<T>& call,
                             const CudaRows& rows, cudaStream_t stream) const {
  gather(step, call, rows, stream);
  forward(step, call, rows, stream);
  loss(step, call, rows, stream);
  backward(step, call, rows, stream);
}

template <class T>
void CudaPropagation<T>::gather(const kernels::CudaStep<T>& step, const CudaCall<T>& call,
                                const CudaRows& rows, cudaStream_t stream) const {
  kernels::CudaGather<T> gather{};
  gather.offset = rows.offset;
  gather.rows = rows.count;
  gather.inputs = spec_.inputs;
  gather.outputs = layout_.layers.back().units;
  gather.dropout = dropout_of<T>(spec_.input_dropout, 0, call.dropout != nullptr);
  gather.smooths = smooths(call);
  if (smooths(call)) {
    const double choices =
        target_kind(loss_) == TargetKind::labels ? static_cast<double>(gather.outputs) : 2.0;
    gather.kept_target = static_cast<T>(1.0 - call.label_smoothing);
    gather.rest_target = static_cast<T>(call.label_smoothing / choices);
  }
  gather.x = x_.data();
  gather.ld_x = ld_x_;
  gather.y = has_labels(call) && !smooths(call) ? nullptr : y_.data();
  gather.ld_y = ld_y_;
  gather.labels = labels_.data();
  gather.scale = scale_.data();
  gather.row = row_.data();
  kernels_.gather(step, gather, stream);
}

template <class T>
void CudaPropagation<T>::forward(const kernels::CudaStep<T>& step, const CudaCall<T>& call,
                                 const CudaRows& rows, cudaStream_t stream) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    const Layer& layer = layers_[l];
    const bool drops = call.dropout != nullptr && layer.dropped.size() > 0;
    kernels_.forward(step,
                     {rows.count, place.inputs, place.units, input_of(l, call.dropout != nullptr),
                      ld_of_input(l), place.weights, place.bias, layer.z.data(), layer.a.data(),
                      drops ? layer.dropped.data() : nullptr, layer.ld, spec_.layers[l].activation,
                      dropout_behind(l, call), row_.data()},
                     stream);
  }
}

template <class T>
void CudaPropagation<T>::loss(const kernels::CudaStep<T>& step, const CudaCall<T>& call,
                              const CudaRows& rows, cudaStream_t stream) const {
  const std::size_t last = layers_.size() - 1;
  const Layer& output = layers_[last];
  kernels::CudaLoss<T> loss{};
  loss.rows = rows.count;
  loss.outputs = layout_.layers[last].units;
  loss.loss = loss_;
  loss.activation = spec_.layers[last].activation;
  loss.f = output.a.data();
  loss.z_or_a = slope_source(last);
  loss.d_z = output.d_z.data();
  loss.ld = output.ld;
  loss.y = has_labels(call) && !smooths(call) ? nullptr : y_.data();
  loss.ld_y = ld_y_;
  loss.labels = labels_.data();
  loss.labelled = has_labels(call);
  loss.scale = scale_.data();
  loss.row = row_.data();
  loss.losses = losses_.data();
  loss.block_rows = kBlockRows;
  loss.is_first = rows.is_first;
  loss.is_last = rows.is_last;
  kernels_.loss(step, loss, stream);
}

template <class T>
void CudaPropagation<T>::backward(const kernels::CudaStep<T>& step, const CudaCall<T>& call,
                                  const CudaRows& rows, cudaStream_t stream) const {
  for (std::size_t l = layers_.size() - 1; l > 0; --l) {
    const LayerLayout& place = layout_.layers[l];
    const Layer& layer = layers_[l];
    const Layer& below = layers_[l - 1];
    kernels_.backward_input(
        step,
        {rows.count, place.inputs, place.units, layer.d_z.data(), layer.ld, place.weights,
         slope_source(l - 1), below.d_z.data(), below.ld, spec_.layers[l - 1].activation,
         dropout_behind(l - 1, call), row_.data()},
        stream);
  }
}

template class CudaPropagation<float>;
template class CudaPropagation<double>;

}  // namespace descend::engine
