#include "engine/cpu_engine.hpp"

#include <algorithm>

#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Rows of a panel whose gradient, parameters and state stay in the first caches between the
// product and the update.
constexpr std::size_t kPieceRows = 48;

// Weights whose penalty is summed at a time.
constexpr std::size_t kWeightBlock = 4096;

template <class T>
void draw_mask(const Minibatch& batch, std::size_t layer, double rate, const Rows& rows,
               std::size_t columns, T* mask, std::size_t ld_mask) {
  DropoutKey key = *batch.dropout;
  key.layer = static_cast<std::uint32_t>(layer);
  dropout_mask(key, rate, {rows.count, rows.order, rows.first}, columns, mask, ld_mask);
}

}  // namespace

template <class T>
Update<T> prepare_update(const Optimizer& optimizer, std::uint64_t step, T* theta,
                         T* const (&state)[2], const Penalty& penalty) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const void* hyperparameters =
      std::visit([](const auto& rule) -> const void* { return &rule; }, optimizer);
  const std::size_t rule = optimizer.index();
  return {rule,  hyperparameters,      kernels.prepare[rule](hyperparameters, step),
          theta, {state[0], state[1]}, penalty};
}

template <class T>
CpuEngine<T>::CpuEngine(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
                        std::size_t block_rows, int workers)
    : spec_(spec),
      layout_(layout),
      kernels_(kernels::kernels_of<T>(kernels::kernel_table())),
      loss_(loss),
      block_rows_(block_rows),
      ld_x_(row_distance<T>(spec.inputs)),
      ld_y_(row_distance<T>(layout.layers.back().units)),
      x_(block_rows * ld_x_),
      x_mask_(spec.input_dropout > 0 ? block_rows * ld_x_ : 0),
      y_(block_rows * ld_y_),
      labels_(block_rows),
      scale_(block_rows),
      losses_(block_rows),
      transposed_(static_cast<std::size_t>(workers) * kernels::kTransposeScratch<T>),
      gradients_(static_cast<std::size_t>(workers) * kPieceRows * kernels::kPanel<T>) {
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
  for (const LayerLayout& place : layout.layers) {
    const std::size_t size = kernels::paneled_size<T>(place.inputs, place.units);
    for (std::size_t begin = 0; begin < size; begin += kWeightBlock) {
      weight_blocks_.push_back({place.weights + begin, std::min(kWeightBlock, size - begin)});
    }
  }
  penalties_ = core::AlignedBuffer<double>(weight_blocks_.size());
}

template <class T>
void CpuEngine<T>::backpropagate(const core::Worker& worker, const Minibatch& batch,
                                 const T* theta) {
  const core::Share share = worker.share(batch.rows.count);
  if (share.size() > 0) {
    forward(share, batch, theta);
    loss(share, batch);
    backward(worker, share, batch, theta);
  }
  worker.wait();
}

template <class T>
double CpuEngine<T>::loss_sum(const Minibatch& batch) const {
  if (batch.examples.weights == nullptr) {
    return kernels_.weighted_sum(batch.rows.count, losses_.data(), nullptr);
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < batch.rows.count; ++i) {
    sum += batch.examples.weights[batch.rows[i]] * static_cast<double>(losses_.data()[i]);
  }
  return sum;
}

template <class T>
void CpuEngine<T>::measure_penalty(const core::Worker& worker, const Penalty& penalty,
                                   const T* theta) {
  const core::Share share = worker.share(weight_blocks_.size());
  for (std::size_t i = share.begin; i < share.end; ++i) {
    const WeightBlock& block = weight_blocks_[i];
    penalties_.data()[i] =
        kernels_.penalty(block.size, theta + block.offset, penalty.l2, penalty.l1);
  }
}

template <class T>
double CpuEngine<T>::penalty_sum() const {
  double sum = 0.0;
  for (std::size_t i = 0; i < weight_blocks_.size(); ++i) sum += penalties_.data()[i];
  return sum;
}

template <class T>
Matrix<T> CpuEngine<T>::input_of(std::size_t layer, const Minibatch& batch) const {
  if (layer > 0) {
    const Layer& below = layers_[layer - 1];
    const bool dropped = batch.dropout != nullptr && below.mask.size() > 0;
    return {dropped ? below.dropped.data() : below.a.data(), below.ld};
  }
  const ConstMatrixView& inputs = batch.examples.inputs;
  if (!drops_inputs(batch) && readable_in_place<T>(inputs, batch.rows)) {
    return {static_cast<const T*>(inputs.data()) + batch.rows.first * inputs.row_stride(),
            inputs.row_stride()};
  }
  return {x_.data(), ld_x_};
}

template <class T>
void CpuEngine<T>::forward(const core::Share& share, const Minibatch& batch, const T* theta) {
  const Rows rows = batch.rows.part(share.begin, share.end);
  T* const x = x_.data() + share.begin * ld_x_;
  const Matrix<T> source = rows_of(kernels_, batch.examples.inputs, rows, x, ld_x_);
  if (drops_inputs(batch)) {
    T* const mask = x_mask_.data() + share.begin * ld_x_;
    draw_mask(batch, 0, spec_.input_dropout, rows, spec_.inputs, mask, ld_x_);
    for (std::size_t i = 0; i < rows.count; ++i) {
      kernels_.multiply(spec_.inputs, source.data + i * source.ld, mask + i * ld_x_, x + i * ld_x_);
    }
  }
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    const LayerLayout& place = layout_.layers[l];
    const Matrix<T> input = input_of(l, batch);
    const std::size_t offset = share.begin * layer.ld;
    T* const a = layer.a.data() + offset;
    kernels_.dense_forward({rows.count, place.inputs, place.units,
                            input.data + share.begin * input.ld, input.ld, theta + place.weights,
                            theta + place.bias,
                            layer.z.size() > 0 ? layer.z.data() + offset : nullptr, a, layer.ld,
                            spec_.layers[l].activation});
    if (batch.dropout != nullptr && layer.mask.size() > 0) {
      T* const mask = layer.mask.data() + offset;
      draw_mask(batch, l + 1, spec_.layers[l].dropout, rows, place.units, mask, layer.ld);
      kernels_.multiply(rows.count * layer.ld, a, mask, layer.dropped.data() + offset);
    }
  }
}

template <class T>
void CpuEngine<T>::loss(const core::Share& share, const Minibatch& batch) {
  const Rows rows = batch.rows.part(share.begin, share.end);
  const Layer& output = layers_.back();
  kernels::LossArguments<T> arguments{};
  arguments.rows = rows.count;
  arguments.outputs = layout_.layers.back().units;
  arguments.f = output.a.data() + share.begin * output.ld;
  arguments.ld_f = output.ld;
  const Targets& targets = batch.examples.targets;
  if (targets.are_labels()) {
    gather_labels(targets.labels(), rows, labels_.data() + share.begin);
    arguments.labels = labels_.data() + share.begin;
  } else {
    const Matrix<T> y =
        rows_of(kernels_, targets.values(), rows, y_.data() + share.begin * ld_y_, ld_y_);
    arguments.y = y.data;
    arguments.ld_y = y.ld;
  }
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
  arguments.losses = losses_.data() + share.begin;
  kernels_.loss[static_cast<int>(loss_)](arguments);
}

template <class T>
void CpuEngine<T>::backward(const core::Worker& worker, const core::Share& share,
                            const Minibatch& batch, const T* theta) {
  // What f' is computed from, for this worker's rows.
  const auto slope_source = [&](std::size_t l) -> const T* {
    if (spec_.layers[l].activation == Activation::identity) return nullptr;
    const Layer& layer = layers_[l];
    return (layer.z.size() > 0 ? layer.z.data() : layer.a.data()) + share.begin * layer.ld;
  };
  const std::size_t last = layers_.size() - 1;
  if (const T* source = slope_source(last)) {
    Layer& output = layers_[last];
    kernels_.activation_backward[static_cast<int>(spec_.layers[last].activation)](
        share.size(), kernels::padded<T>(layout_.layers[last].units),
        output.d_z.data() + share.begin * output.ld, output.ld, source, output.ld);
  }
  for (std::size_t l = last; l > 0; --l) {
    const LayerLayout& place = layout_.layers[l];
    const Layer& layer = layers_[l];
    Layer& below = layers_[l - 1];
    T* const d_z_below = below.d_z.data() + share.begin * below.ld;
    kernels_.dense_backward_input({share.size(), place.inputs, place.units,
                                   layer.d_z.data() + share.begin * layer.ld, layer.ld,
                                   theta + place.weights, slope_source(l - 1), d_z_below, below.ld,
                                   spec_.layers[l - 1].activation,
                                   transposed_.data() + static_cast<std::size_t>(worker.index) *
                                                            kernels::kTransposeScratch<T>});
    if (batch.dropout != nullptr && below.mask.size() > 0) {
      kernels_.multiply(share.size() * below.ld, d_z_below,
                        below.mask.data() + share.begin * below.ld, d_z_below);
    }
  }
}

// Calls visit(piece) for this worker's pieces of theta; all workers' pieces together are theta.
template <class T>
template <class Visit>
void CpuEngine<T>::for_each_piece(const core::Worker& worker, const Visit& visit) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    const core::Share share = worker.share(place.inputs);
    const bool has_bias =
        l % static_cast<std::size_t>(worker.count) == static_cast<std::size_t>(worker.index);
    for (std::size_t column = 0; column < place.units; column += kernels::kPanel<T>) {
      const std::size_t width = kernels::panel_width<T>(place.units, column);
      if (has_bias) visit(Piece{l, 0, 0, column, place.bias + column, width, true});
      for (std::size_t k = share.begin; k < share.end; k += kPieceRows) {
        const std::size_t k_end = std::min(k + kPieceRows, share.end);
        visit(Piece{l, k, k_end, column, place.weights + place.inputs * column + k * width,
                    (k_end - k) * width, false});
      }
    }
  }
}

template <class T>
void CpuEngine<T>::piece_gradient(const Piece& piece, const Minibatch& batch, T* gradient,
                                  bool accumulate) {
  const Layer& layer = layers_[piece.layer];
  if (piece.is_bias) {
    kernels_.dense_backward_bias({batch.rows.count, piece.size,
                                  layer.d_z.data() + piece.column_begin, layer.ld, gradient,
                                  accumulate});
    return;
  }
  const Matrix<T> x = input_of(piece.layer, batch);
  const std::size_t units = layout_.layers[piece.layer].units;
  kernels_.dense_backward_weights({batch.rows.count, units, piece.input_begin, piece.input_end,
                                   piece.column_begin, x.data, x.ld, layer.d_z.data(), layer.ld,
                                   gradient, accumulate});
}

template <class T>
void CpuEngine<T>::apply(const Update<T>& update, const Piece& piece, T* gradient) const {
  if (update.penalty.any() && !piece.is_bias) {
    kernels_.add_penalty_gradient(piece.size, update.theta + piece.offset,
                                  static_cast<T>(update.penalty.l2),
                                  static_cast<T>(update.penalty.l1), gradient);
  }
  const auto state = [&](int i) {
    return update.state[i] == nullptr ? nullptr : update.state[i] + piece.offset;
  };
  kernels_.update[update.rule]({update.hyperparameters,
                                update.scalars,
                                !piece.is_bias,
                                piece.size,
                                update.theta + piece.offset,
                                gradient,
                                {state(0), state(1)}});
}

template <class T>
void CpuEngine<T>::gradient(const core::Worker& worker, const Minibatch& batch, T* gradient,
                            bool accumulate) {
  for_each_piece(worker, [&](const Piece& piece) {
    piece_gradient(piece, batch, gradient + piece.offset, accumulate);
  });
}

template <class T>
void CpuEngine<T>::update(const core::Worker& worker, const Minibatch& batch,
                          const Update<T>& update) {
  for_each_piece(worker, [&](const Piece& piece) {
    T* const gradient = gradients_.data() +
                        static_cast<std::size_t>(worker.index) * kPieceRows * kernels::kPanel<T>;
    piece_gradient(piece, batch, gradient, false);
    apply(update, piece, gradient);
  });
}

template <class T>
void CpuEngine<T>::update_from(const core::Worker& worker, T* gradient, const Update<T>& update) {
  for_each_piece(worker,
                 [&](const Piece& piece) { apply(update, piece, gradient + piece.offset); });
}

template Update<float> prepare_update<float>(const Optimizer&, std::uint64_t, float*,
                                             float* const (&)[2], const Penalty&);
template Update<double> prepare_update<double>(const Optimizer&, std::uint64_t, double*,
                                               double* const (&)[2], const Penalty&);
template class CpuEngine<float>;
template class CpuEngine<double>;

}  // namespace descend::engine
