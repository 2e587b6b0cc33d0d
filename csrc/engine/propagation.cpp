#include "engine/propagation.hpp"

#include <algorithm>

#include "engine/loss_rows.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

template <class T>
void draw_mask(const Minibatch& batch, std::size_t layer, double rate, const Rows& rows,
               std::size_t columns, T* mask, std::size_t ld_mask) {
  DropoutKey key = *batch.dropout;
  key.layer = static_cast<std::uint32_t>(layer);
  dropout_mask(key, rate, rows, columns, mask, ld_mask);
}

}  // namespace

template <class T>
Propagation<T>::Propagation(const NetworkSpec& spec, const ParameterLayout& layout,
                            const LayerSharing<T>& sharing, Loss loss, std::size_t block_rows,
                            int workers)
    : spec_(spec),
      layout_(layout),
      sharing_(sharing),
      kernels_(kernels::kernels_of<T>(kernels::kernel_table())),
      loss_(loss),
      block_rows_(block_rows),
      workers_(workers),
      ld_x_(row_distance<T>(spec.inputs)),
      ld_y_(row_distance<T>(layout.layers.back().units)),
      y_(block_rows * ld_y_),
      labels_(block_rows),
      scale_(block_rows),
      losses_(block_rows),
      transposed_(static_cast<std::size_t>(workers) * kernels::kTransposeScratch<T>) {
  for (const Dense& dense : spec.layers) {
    Layer layer;
    layer.ld = row_distance<T>(dense.units);
    const std::size_t size = block_rows * layer.ld;
    if (derivative_needs_z(dense.activation)) layer.z = core::AlignedBuffer<T>(size);
    layer.a = core::AlignedBuffer<T>(size);
    layer.d_z = core::AlignedBuffer<T>(size);
    if (dense.dropout > 0) {
      layer.mask = core::AlignedBuffer<T>(size);
      layer.dropped = core::AlignedBuffer<T>(size);
    }
    layers_.push_back(std::move(layer));
  }
}

template <class T>
void Propagation<T>::take_inputs_of(const Examples& examples) {
  const LayerLayout& first = layout_.layers.front();
  lists_inputs_ = examples.inputs.is_sparse() && !keeps_rows_ && spec_.input_dropout == 0 &&
                  lists_rows<T>(first, examples.most_stored);
  if (lists_inputs_) {
    if (lists_.has_room(block_rows_, examples.most_stored)) return;
    lists_ = RowLists<T>(block_rows_, examples.most_stored);
  } else if (!nonzeros_) {
    x_ = core::AlignedBuffer<T>(block_rows_ * ld_x_);
    x_mask_ = core::AlignedBuffer<T>(spec_.input_dropout > 0 ? block_rows_ * ld_x_ : 0);
    nonzeros_.emplace(first, block_rows_, workers_);
  }
}

template <class T>
Matrix<T> Propagation<T>::input_of(std::size_t l, const Minibatch& batch) const {
  if (l > 0) {
    const Layer& below = layers_[l - 1];
    return {drops_outputs(below, batch) ? below.dropped.data() : below.a.data(), below.ld};
  }
  const InputView& inputs = batch.examples.inputs;
  if (!drops_inputs(batch) && readable_in_place<T>(inputs, batch.rows)) {
    const ConstMatrixView& dense = inputs.dense();
    return {static_cast<const T*>(dense.row(batch.rows.first)), dense.row_stride()};
  }
  return {x_.data(), ld_x_};
}

template <class T>
bool Propagation<T>::run(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                         const T* theta, std::size_t begin, std::size_t end) {
  const core::Share own = worker.share(end - begin);
  const core::Share share = {begin + own.begin, begin + own.end};
  const auto share_flops = [&](std::size_t l) {
    return product_flops(end - begin, layout_.layers[l]) / worker.count;
  };
  take_inputs(worker, share, batch);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const bool by_columns = sharing_.forward_by_columns(l);
    if (by_columns) worker.wait();
    const std::size_t units = layout_.layers[l].units;
    forward(l, worker, part_of<T>(worker, begin, end, units, by_columns), batch, theta);
    if (by_columns) worker.wait();
    if (drops_outputs(layers_[l], batch)) drop_outputs(l, share, batch);
    if (!pace.meet_after(share_flops(l))) return false;
  }
  loss(share, batch);
  for (std::size_t l = layers_.size() - 1; l > 0; --l) {
    const bool by_columns = sharing_.input_by_columns(l);
    if (by_columns) worker.wait();
    const std::size_t inputs = layout_.layers[l].inputs;
    backward(l, worker, part_of<T>(worker, begin, end, inputs, by_columns), theta);
    if (by_columns) worker.wait();
    Layer& below = layers_[l - 1];
    if (drops_outputs(below, batch)) {
      const std::size_t offset = share.begin * below.ld;
      T* const d_z_below = below.d_z.data() + offset;
      kernels_.multiply(share.size() * below.ld, d_z_below, below.mask.data() + offset, d_z_below);
    }
    if (!pace.meet_after(share_flops(l))) return false;
  }
  return true;
}

// Lists what is not 0 in sparse inputs, or finds it in dense ones.
template <class T>
void Propagation<T>::take_inputs(const core::Worker& worker, const core::Share& share,
                                 const Minibatch& batch) {
  if (lists_inputs_) {
    const Rows rows = batch.rows.part(share.begin, share.end);
    return lists_.gather(kernels_, batch.examples.inputs.sparse(), rows, share.begin);
  }
  gather_inputs(share, batch);
  const Matrix<T> x = input_of(0, batch);
  nonzeros_->find(worker, share, {x.data + share.begin * x.ld, x.ld});
}

// Gathers and drops inputs where they cannot be read in place.
template <class T>
void Propagation<T>::gather_inputs(const core::Share& share, const Minibatch& batch) {
  const Rows rows = batch.rows.part(share.begin, share.end);
  T* const x = x_.data() + share.begin * ld_x_;
  const Matrix<T> source = rows_of(kernels_, batch.examples.inputs, rows, x, ld_x_);
  if (!drops_inputs(batch)) return;
  T* const mask = x_mask_.data() + share.begin * ld_x_;
  draw_mask(batch, 0, spec_.input_dropout, rows, spec_.inputs, mask, ld_x_);
  for (std::size_t i = 0; i < rows.count; ++i) {
    kernels_.multiply(spec_.inputs, source.data + i * source.ld, mask + i * ld_x_, x + i * ld_x_);
  }
}

template <class T>
void Propagation<T>::forward(std::size_t l, const core::Worker& worker, const Part& part,
                             const Minibatch& batch, const T* theta) {
  if (part.rows == 0) return;
  Layer& layer = layers_[l];
  const LayerLayout& place = layout_.layers[l];
  const RowLists<T>* const lists = lists_of(l);
  const Matrix<T> input = lists != nullptr ? Matrix<T>{nullptr, 0} : input_of(l, batch);
  const auto forward_rows = [&](const core::Share& rows, const std::uint64_t* nonzeros) {
    const std::size_t offset = rows.begin * layer.ld + part.column_begin;
    kernels_.dense_forward({rows.size(), place.inputs, part.column_end - part.column_begin,
                            lists != nullptr ? nullptr : input.data + rows.begin * input.ld,
                            input.ld, theta + place.weights + place.inputs * part.column_begin,
                            theta + place.bias + part.column_begin,
                            layer.z.size() > 0 ? layer.z.data() + offset : nullptr,
                            layer.a.data() + offset, layer.ld, spec_.layers[l].activation, nonzeros,
                            lists != nullptr ? lists->of_row(rows.begin) : nullptr});
  };
  const core::Share rows = {part.row_begin, part.row_begin + part.rows};
  if (l == 0 && lists == nullptr) {
    nonzeros_->for_each_run(worker, rows, forward_rows);
  } else {
    forward_rows(rows, nullptr);
  }
}

template <class T>
void Propagation<T>::drop_outputs(std::size_t l, const core::Share& share, const Minibatch& batch) {
  Layer& layer = layers_[l];
  const std::size_t offset = share.begin * layer.ld;
  draw_mask(batch, l + 1, spec_.layers[l].dropout, batch.rows.part(share.begin, share.end),
            layout_.layers[l].units, layer.mask.data() + offset, layer.ld);
  kernels_.multiply(share.size() * layer.ld, layer.a.data() + offset, layer.mask.data() + offset,
                    layer.dropped.data() + offset);
}

// Draws the targets, class indices as one-hot rows, towards what says nothing, into `y`: e / K of
// each of K classes, or 1/2 of a sigmoid.
template <class T>
void Propagation<T>::smooth_targets(double e, T* y, kernels::LossArguments<T>& arguments) const {
  const std::size_t outputs = arguments.outputs;
  const double choices =
      target_kind(loss_) == TargetKind::labels ? static_cast<double>(outputs) : 2.0;
  const T kept = static_cast<T>(1.0 - e), rest = static_cast<T>(e / choices);
  for (std::size_t i = 0; i < arguments.rows; ++i) {
    T* const row = y + i * ld_y_;
    if (arguments.labels != nullptr) {
      const std::int32_t label = arguments.labels[i];
      std::fill_n(row, outputs, T{0});
      if (is_class(label, outputs)) row[label] = T{1};
    } else if (arguments.y != y) {
      std::copy_n(arguments.y + i * arguments.ld_y, outputs, row);
    }
    for (std::size_t j = 0; j < outputs; ++j) row[j] = kept * row[j] + rest;
  }
  arguments.labels = nullptr;
  arguments.y = y;
  arguments.ld_y = ld_y_;
}

// Writes the outputs f of `rows` where the minibatch asks for them.
template <class T>
void Propagation<T>::give_outputs(const Rows& rows, const Matrix<T>& f,
                                  const Minibatch& batch) const {
  const std::size_t outputs = layout_.layers.back().units;
  for (std::size_t i = 0; i < rows.count; ++i) {
    T* const row = static_cast<T*>(batch.outputs) + rows[i] * outputs;
    std::copy_n(f.data + i * f.ld, outputs, row);
  }
}

// The losses, and d_z of the last layer.
template <class T>
void Propagation<T>::loss(const core::Share& share, const Minibatch& batch) {
  const Rows rows = batch.rows.part(share.begin, share.end);
  const Layer& output = layers_.back();
  const Matrix<T> f = {output.a.data() + share.begin * output.ld, output.ld};
  const LossRoom<T> room = {y_.data() + share.begin * ld_y_, ld_y_, labels_.data() + share.begin,
                            losses_.data() + share.begin};
  kernels::LossArguments<T> arguments =
      loss_arguments(kernels_, batch.examples.targets, rows, layout_.layers.back().units, f, room);
  const std::int32_t* const labels = arguments.labels;
  if (batch.label_smoothing > 0.0) smooth_targets(batch.label_smoothing, room.y, arguments);
  if (batch.outputs != nullptr) give_outputs(rows, f, batch);
  const double* weights = batch.examples.weights;
  T* const scale = scale_.data() + share.begin;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const double weight = weights == nullptr ? 1.0 : weights[rows[i]];
    scale[i] = static_cast<T>(weight / batch.total_weight);
  }
  arguments.scale = scale;
  arguments.d_outputs = layers_.back().d_z.data() + share.begin * output.ld;
  arguments.ld_d = output.ld;
  arguments.padded = true;
  compute_losses(kernels_, loss_, arguments, labels);
  const std::size_t last = layers_.size() - 1;
  if (const T* source = slope_source(last, share.begin)) {
    kernels_.activation_backward[static_cast<int>(spec_.layers[last].activation)](
        rows.count, kernels::padded<T>(layout_.layers[last].units), arguments.d_outputs, output.ld,
        source, output.ld);
  }
}

// d_z of the layer below layer l.
template <class T>
void Propagation<T>::backward(std::size_t l, const core::Worker& worker, const Part& part,
                              const T* theta) {
  if (part.rows == 0) return;
  const LayerLayout& place = layout_.layers[l];
  const Layer& layer = layers_[l];
  Layer& below = layers_[l - 1];
  T* const transposed =
      transposed_.data() + static_cast<std::size_t>(worker.index) * kernels::kTransposeScratch<T>;
  kernels_.dense_backward_input(
      {part.rows, place.inputs, place.units, part.column_begin, part.column_end,
       layer.d_z.data() + part.row_begin * layer.ld, layer.ld, theta + place.weights,
       slope_source(l - 1, part.row_begin), below.d_z.data() + part.row_begin * below.ld, below.ld,
       spec_.layers[l - 1].activation, transposed});
}

// What f' of layer l is computed from, from a row on; null where f' is 1.
template <class T>
const T* Propagation<T>::slope_source(std::size_t l, std::size_t row_begin) const {
  if (spec_.layers[l].activation == Activation::identity) return nullptr;
  const Layer& layer = layers_[l];
  return (layer.z.size() > 0 ? layer.z.data() : layer.a.data()) + row_begin * layer.ld;
}

template class Propagation<float>;
template class Propagation<double>;

}  // namespace descend::engine
