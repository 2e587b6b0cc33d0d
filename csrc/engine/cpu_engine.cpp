#include "engine/cpu_engine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Rows of a panel whose gradient, parameters and state stay in the first caches between the
// product and the update.
constexpr std::size_t kPieceRows = 48;

// Rows of weights whose inputs stay in the second cache while all panels of them are updated.
constexpr std::size_t kInputsTogether = 8 * kPieceRows;

// Floating-point operations of a product (rows, depth) (depth, columns).
double product_flops(std::size_t rows, std::size_t depth, std::size_t columns) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(depth) *
         static_cast<double>(columns);
}

double product_flops(std::size_t rows, const LayerLayout& layer) {
  return product_flops(rows, layer.inputs, layer.units);
}

// Whether a product (rows, depth) (depth, columns) is shared out by columns: where the right
// operand is the larger one, there is enough to do between two barriers, and the panels come out
// even.
template <class T>
bool is_by_columns(std::size_t rows, std::size_t depth, std::size_t columns, int workers) {
  constexpr double kLeastFlops = 4e6;
  const auto count = static_cast<std::size_t>(workers);
  const std::size_t panels = (columns + kernels::kPanel<T> - 1) / kernels::kPanel<T>;
  const std::size_t most = (panels + count - 1) / count;
  return workers > 1 && columns >= rows &&
         product_flops(rows, depth, columns) >= kLeastFlops * workers &&
         8 * most * kernels::kPanel<T> * count <= 9 * columns;
}

// Parameters and their states, so many bytes a worker, are fetched ahead of their update: they are
// in no cache near by. This is 4 % of a step of 784-1024-1024-10.
constexpr std::size_t kStreamedBytes = std::size_t{2} << 20;

// At least as many rows go through the layers between two meetings, to reuse the weights.
constexpr std::size_t kRowsTogether = 128;

// Of a product that must not be given up half-way: about a tenth of a second of one thread.
constexpr double kLongUpdateFlops = 8e9;

// Where a layer has more activations than weights, its gradient is a sum over so many blocks of
// rows, (b0 + b1) + (b2 + b3), of which a worker adds up those of its own rows: they are in its
// caches, and what workers read of each other is as large as the weights. With two threads a step
// of 64-100-10 with 200 rows takes 12 % less, or 32 % on processors that share no cache.
constexpr std::size_t kRowBlocks = 4;
constexpr double kLeastRowBlockFlops = 1e6;

// Pieces a worker has room for: a gradient, copies of theta and the state, and two sums over rows.
constexpr std::size_t kScratchPieces = 4 + kernels::kMostStates;

template <class T>
constexpr std::size_t kPieceSize = kPieceRows * kernels::kPanel<T>;

// Rows whose norms are taken at a time.
constexpr std::size_t kNormRows = 64;

// Parameters whose penalty, or the squares of whose gradient, are summed at a time.
constexpr std::size_t kBlock = 4096;

template <class T>
void draw_mask(const Minibatch& batch, std::size_t layer, double rate, const Rows& rows,
               std::size_t columns, T* mask, std::size_t ld_mask) {
  DropoutKey key = *batch.dropout;
  key.layer = static_cast<std::uint32_t>(layer);
  dropout_mask(key, rate, {rows.count, rows.order, rows.first}, columns, mask, ld_mask);
}

}  // namespace

template <class T>
Update<T> prepare_update(const Optimizer& optimizer, double learning_rate, std::uint64_t step,
                         const Vectors<T>& vectors, const Penalty& penalty, double clip_value) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  const void* hyperparameters =
      std::visit([](const auto& rule) -> const void* { return &rule; }, optimizer);
  const std::size_t rule = optimizer.index();
  return {rule,    hyperparameters, kernels.prepare[rule](hyperparameters, learning_rate, step),
          vectors, penalty,         clip_value};
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
      pieces_(static_cast<std::size_t>(workers) * kScratchPieces * kPieceSize<T>),
      magnitudes_(static_cast<std::size_t>(workers)) {
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
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    layers_[l].row_sums = row_sums_size_;
    if (workers == 1 || !sums_row_blocks(l, block_rows)) continue;
    const LayerLayout& place = layout.layers[l];
    row_sums_size_ += kernels::paneled_size<T>(place.inputs + 1, place.units);
  }
  row_sums_ = core::AlignedBuffer<T>(static_cast<std::size_t>(workers) * row_sums_size_);
  for (const LayerLayout& place : layout.layers) {
    const std::size_t size = kernels::paneled_size<T>(place.inputs, place.units);
    for (std::size_t begin = 0; begin < size; begin += kBlock) {
      blocks_.push_back({place.weights + begin, std::min(kBlock, size - begin), false});
    }
    const std::size_t biases = kernels::padded<T>(place.units);
    for (std::size_t begin = 0; begin < biases; begin += kBlock) {
      blocks_.push_back({place.bias + begin, std::min(kBlock, biases - begin), true});
    }
  }
  penalties_ = core::AlignedBuffer<double>(blocks_.size());
  squared_norms_ = core::AlignedBuffer<double>(blocks_.size());
  share_out(workers);
}

template <class T>
void CpuEngine<T>::share_out(int workers) {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const std::size_t inputs = layout_.layers[l].inputs, units = layout_.layers[l].units;
    layers_[l].forward_by_columns = is_by_columns<T>(block_rows_, inputs, units, workers);
    layers_[l].input_by_columns = is_by_columns<T>(block_rows_, units, inputs, workers);
  }
  std::fill(magnitudes_.begin(), magnitudes_.end(), Magnitudes{});
}

// Whether the layer's gradient is a sum over blocks of rows: this must not depend on the workers.
template <class T>
bool CpuEngine<T>::sums_row_blocks(std::size_t l, std::size_t rows) const {
  const LayerLayout& layer = layout_.layers[l];
  return rows * (layer.inputs + layer.units) > layer.inputs * layer.units &&
         core::step_flops(rows, layout_.count) > kLeastRowBlockFlops;
}

// Whether row_sums() are there after backpropagate().
template <class T>
bool CpuEngine<T>::sums_own_rows(const core::Worker& worker, std::size_t rows) const {
  return row_sums_size_ > 0 && worker.count > 1 &&
         kRowBlocks % static_cast<std::size_t>(worker.count) == 0 && rows <= rows_together(worker);
}

template <class T>
std::size_t CpuEngine<T>::rows_together(const core::Worker& worker) const {
  const auto share_rows =
      static_cast<std::size_t>(core::Pace::kFlops / core::step_flops(1, layout_.count)) +
      kRowsTogether;
  return share_rows * static_cast<std::size_t>(worker.count);
}

template <class T>
bool CpuEngine<T>::backpropagate(const core::Worker& worker, core::Pace& pace,
                                 const Minibatch& batch, const T* theta) {
  const std::size_t rows = batch.rows.count;
  Magnitudes measured;
  const std::size_t part_rows = rows_together(worker);
  for (std::size_t begin = 0; begin < rows; begin += part_rows) {
    const std::size_t end = std::min(begin + part_rows, rows);
    if (!propagate(worker, pace, batch, theta, begin, end)) return false;
    const core::Share own = worker.share(end - begin);
    measure_rows({begin + own.begin, begin + own.end}, batch, measured);
  }
  Magnitudes& own = magnitudes_[static_cast<std::size_t>(worker.index)];
  own.inputs = measured.inputs;
  own.d_z = measured.d_z;
  if (sums_own_rows(worker, rows)) sum_own_rows(worker, batch);
  worker.wait();
  return true;
}

template <class T>
void CpuEngine<T>::measure_parameters(const core::Worker& worker, const T* theta) {
  const core::Share share = worker.share(layout_.size);
  magnitudes_[static_cast<std::size_t>(worker.index)].parameters =
      kernels_.absolute_sum(1, share.size(), theta + share.begin, share.size());
}

template <class T>
double CpuEngine<T>::parameter_bound() const {
  double bound = 0.0;
  for (const Magnitudes& worker : magnitudes_) bound += worker.parameters;
  return bound;
}

// Adds those of a worker's own rows, which no other one writes.
template <class T>
void CpuEngine<T>::measure_rows(const core::Share& share, const Minibatch& batch,
                                Magnitudes& measured) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Matrix<T> input = input_of(l, batch);
    // Own rows are padded with what is finite; the caller's are not ours beyond the last input.
    const std::size_t columns = l > 0 || input.data == x_.data() ? input.ld : spec_.inputs;
    measured.inputs +=
        kernels_.absolute_sum(share.size(), columns, input.data + share.begin * input.ld, input.ld);
    const Layer& layer = layers_[l];
    measured.d_z += kernels_.absolute_sum(share.size(), layer.ld,
                                          layer.d_z.data() + share.begin * layer.ld, layer.ld);
  }
}

template <class T>
double CpuEngine<T>::gradient_bound(const Minibatch& batch) const {
  double inputs = 1.0, d_z = 0.0;  // a bias has an input of 1
  for (const Magnitudes& worker : magnitudes_) {
    inputs += worker.inputs;
    d_z += worker.d_z;
  }
  return static_cast<double>(batch.rows.count) * inputs * d_z;
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
void CpuEngine<T>::row_gradient_norms(const core::Worker& worker, const Minibatch& batch,
                                      double* squared) const {
  const core::Share share = worker.share(batch.rows.count);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const LayerLayout& place = layout_.layers[l];
    const Matrix<T> x = input_of(l, batch);
    double* const of_layer = squared + l * batch.rows.count;
    for (std::size_t begin = share.begin; begin < share.end; begin += kNormRows) {
      const std::size_t rows = std::min(kNormRows, share.end - begin);
      double of_inputs[kNormRows];
      kernels_.squared_norms(rows, place.inputs, x.data + begin * x.ld, x.ld, of_inputs);
      kernels_.squared_norms(rows, place.units, layer.d_z.data() + begin * layer.ld, layer.ld,
                             of_layer + begin);
      for (std::size_t i = 0; i < rows; ++i) of_layer[begin + i] *= of_inputs[i] + 1.0;
    }
  }
}

template <class T>
void CpuEngine<T>::measure_penalty(const core::Worker& worker, const Penalty& penalty,
                                   const T* theta) {
  const core::Share share = worker.share(blocks_.size());
  for (std::size_t i = share.begin; i < share.end; ++i) {
    const Block& block = blocks_[i];
    if (block.is_bias) continue;
    penalties_.data()[i] =
        kernels_.penalty(block.size, theta + block.offset, penalty.l2, penalty.l1);
  }
}

template <class T>
double CpuEngine<T>::penalty_sum() const {
  double sum = 0.0;
  for (std::size_t i = 0; i < blocks_.size(); ++i) sum += penalties_.data()[i];
  return sum;
}

template <class T>
double CpuEngine<T>::clip_gradient(const core::Worker& worker, double most_norm, T* gradient,
                                   Update<T>& update) {
  const core::Share share = worker.share(blocks_.size());
  for (std::size_t i = share.begin; i < share.end; ++i) {
    const Block& block = blocks_[i];
    T* const own = gradient + block.offset;
    add_penalty_gradient(update, block.is_bias, block.size, update.vectors.theta + block.offset,
                         own);
    const bool finite = kernels_.all_finite(block.size, own);
    clip(update, block.size, own);
    squared_norms_.data()[i] =
        finite ? kernels_.squared_norm(block.size, own) : std::numeric_limits<double>::quiet_NaN();
  }
  worker.wait();
  double sum = 0.0;
  for (std::size_t i = 0; i < blocks_.size(); ++i) sum += squared_norms_.data()[i];
  const double norm = std::sqrt(sum);
  update.penalty = {};
  update.clip_value = Clipping{}.value;
  if (norm > most_norm) update.gradient_scale = most_norm / norm;
  return norm;
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
    return {static_cast<const T*>(inputs.row(batch.rows.first)), inputs.row_stride()};
  }
  return {x_.data(), ld_x_};
}

template <class T>
typename CpuEngine<T>::Part CpuEngine<T>::part_of(const core::Worker& worker, std::size_t begin,
                                                  std::size_t end, std::size_t columns,
                                                  bool by_columns) {
  if (!by_columns) {
    const core::Share share = worker.share(end - begin);
    return {begin + share.begin, share.size(), 0, columns};
  }
  constexpr std::size_t kPanel = kernels::kPanel<T>;
  const core::Share panels = worker.share((columns + kPanel - 1) / kPanel);
  return {begin, end - begin, panels.begin * kPanel, std::min(panels.end * kPanel, columns)};
}

// Takes rows [begin, end) of the minibatch through the network and back.
template <class T>
bool CpuEngine<T>::propagate(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                             const T* theta, std::size_t begin, std::size_t end) {
  const core::Share own = worker.share(end - begin);
  const core::Share share = {begin + own.begin, begin + own.end};
  const auto share_flops = [&](std::size_t l) {
    return product_flops(end - begin, layout_.layers[l]) / worker.count;
  };
  take_inputs(share, batch);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    if (layer.forward_by_columns) worker.wait();
    const std::size_t units = layout_.layers[l].units;
    forward(l, part_of(worker, begin, end, units, layer.forward_by_columns), batch, theta);
    if (layer.forward_by_columns) worker.wait();
    if (batch.dropout != nullptr && layer.mask.size() > 0) drop_outputs(l, share, batch);
    if (!pace.meet_after(share_flops(l))) return false;
  }
  loss(share, batch);
  for (std::size_t l = layers_.size() - 1; l > 0; --l) {
    const Layer& layer = layers_[l];
    if (layer.input_by_columns) worker.wait();
    const std::size_t inputs = layout_.layers[l].inputs;
    backward(l, worker, part_of(worker, begin, end, inputs, layer.input_by_columns), theta);
    if (layer.input_by_columns) worker.wait();
    Layer& below = layers_[l - 1];
    if (batch.dropout != nullptr && below.mask.size() > 0) {
      const std::size_t offset = share.begin * below.ld;
      T* const d_z_below = below.d_z.data() + offset;
      kernels_.multiply(share.size() * below.ld, d_z_below, below.mask.data() + offset, d_z_below);
    }
    if (!pace.meet_after(share_flops(l))) return false;
  }
  return true;
}

// Gathers and drops inputs where they cannot be read in place.
template <class T>
void CpuEngine<T>::take_inputs(const core::Share& share, const Minibatch& batch) {
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
void CpuEngine<T>::forward(std::size_t l, const Part& part, const Minibatch& batch,
                           const T* theta) {
  if (part.rows == 0) return;
  Layer& layer = layers_[l];
  const LayerLayout& place = layout_.layers[l];
  const Matrix<T> input = input_of(l, batch);
  const std::size_t offset = part.row_begin * layer.ld + part.column_begin;
  kernels_.dense_forward({part.rows, place.inputs, part.column_end - part.column_begin,
                          input.data + part.row_begin * input.ld, input.ld,
                          theta + place.weights + place.inputs * part.column_begin,
                          theta + place.bias + part.column_begin,
                          layer.z.size() > 0 ? layer.z.data() + offset : nullptr,
                          layer.a.data() + offset, layer.ld, spec_.layers[l].activation});
}

template <class T>
void CpuEngine<T>::drop_outputs(std::size_t l, const core::Share& share, const Minibatch& batch) {
  Layer& layer = layers_[l];
  const std::size_t offset = share.begin * layer.ld;
  draw_mask(batch, l + 1, spec_.layers[l].dropout, batch.rows.part(share.begin, share.end),
            layout_.layers[l].units, layer.mask.data() + offset, layer.ld);
  kernels_.multiply(share.size() * layer.ld, layer.a.data() + offset, layer.mask.data() + offset,
                    layer.dropped.data() + offset);
}

// The targets of `rows`, class indices as one-hot rows, drawn towards what says nothing: e / K of
// each of K classes, or 1/2 of a sigmoid.
template <class T>
void CpuEngine<T>::smooth_targets(const Minibatch& batch, const Rows& rows,
                                  const std::int32_t* labels, T* y) {
  const std::size_t outputs = layout_.layers.back().units;
  const double e = batch.label_smoothing;
  const double choices =
      target_kind(loss_) == TargetKind::labels ? static_cast<double>(outputs) : 2.0;
  const T kept = static_cast<T>(1.0 - e), rest = static_cast<T>(e / choices);
  if (labels == nullptr) {
    const core::KeepSubnormals keep;
    const ConstMatrixView& values = batch.examples.targets.values();
    kernels_.gather_rows({rows.count, outputs, values.data(), values.element_type(),
                          values.row_stride(), rows.order, rows.first, y, ld_y_});
  }
  for (std::size_t i = 0; i < rows.count; ++i) {
    T* const row = y + i * ld_y_;
    if (labels != nullptr) {
      std::fill_n(row, outputs, T{0});
      row[labels[i]] = T{1};
    }
    for (std::size_t j = 0; j < outputs; ++j) row[j] = kept * row[j] + rest;
  }
}

// The losses, and d_z of the last layer.
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
  }
  if (batch.label_smoothing > 0.0) {
    T* const y = y_.data() + share.begin * ld_y_;
    smooth_targets(batch, rows, arguments.labels, y);
    arguments.labels = nullptr;
    arguments.y = y;
    arguments.ld_y = ld_y_;
  } else if (!targets.are_labels()) {
    const Matrix<T> y =
        rows_of(kernels_, targets.values(), rows, y_.data() + share.begin * ld_y_, ld_y_);
    arguments.y = y.data;
    arguments.ld_y = y.ld;
  }
  if (batch.outputs != nullptr) {
    for (std::size_t i = 0; i < rows.count; ++i) {
      T* const out = static_cast<T*>(batch.outputs) + rows[i] * arguments.outputs;
      std::copy_n(arguments.f + i * arguments.ld_f, arguments.outputs, out);
    }
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
  const std::size_t last = layers_.size() - 1;
  if (const T* source = slope_source(last, share.begin)) {
    kernels_.activation_backward[static_cast<int>(spec_.layers[last].activation)](
        rows.count, kernels::padded<T>(layout_.layers[last].units), arguments.d_outputs, output.ld,
        source, output.ld);
  }
}

// d_z of the layer below layer l.
template <class T>
void CpuEngine<T>::backward(std::size_t l, const core::Worker& worker, const Part& part,
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
const T* CpuEngine<T>::slope_source(std::size_t l, std::size_t row_begin) const {
  if (spec_.layers[l].activation == Activation::identity) return nullptr;
  const Layer& layer = layers_[l];
  return (layer.z.size() > 0 ? layer.z.data() : layer.a.data()) + row_begin * layer.ld;
}

// Calls visit(piece) for this worker's pieces of theta; all workers' pieces together are theta.
template <class T>
template <class Visit>
void CpuEngine<T>::for_each_piece(const core::Worker& worker, const Visit& visit) const {
  for_each_piece(worker, visit, [](std::size_t, double) { return true; });
}

// The same, and part_done(layer, parts) after each of so many parts of a layer, of which all
// workers have as many; false ends it.
template <class T>
template <class Visit, class PartDone>
bool CpuEngine<T>::for_each_piece(const core::Worker& worker, const Visit& visit,
                                  const PartDone& part_done) const {
  const auto workers = static_cast<std::size_t>(worker.count);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    const bool by_columns = layers_[l].forward_by_columns;
    const Part own = part_of(worker, 0, place.inputs, place.units, by_columns);
    const auto for_each_panel = [&](const auto& visit_panel) {
      for (std::size_t column = own.column_begin; column < own.column_end;
           column += kernels::kPanel<T>) {
        visit_panel(column, kernels::panel_width<T>(place.units, column));
      }
    };
    if (by_columns || l % workers == static_cast<std::size_t>(worker.index)) {
      for_each_panel([&](std::size_t column, std::size_t width) {
        visit(Piece{l, 0, 0, column, place.bias + column, width, true});
      });
    }
    const std::size_t most_rows =
        by_columns ? place.inputs : (place.inputs + workers - 1) / workers;
    const std::size_t parts = (most_rows + kInputsTogether - 1) / kInputsTogether;
    const std::size_t end = own.row_begin + own.rows;
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t begin = std::min(own.row_begin + part * kInputsTogether, end);
      const std::size_t together = std::min(begin + kInputsTogether, end);
      for_each_panel([&](std::size_t column, std::size_t width) {
        for (std::size_t k = begin; k < together; k += kPieceRows) {
          const std::size_t k_end = std::min(k + kPieceRows, together);
          visit(Piece{l, k, k_end, column, place.weights + place.inputs * column + k * width,
                      (k_end - k) * width, false});
        }
      });
      if (!part_done(l, static_cast<double>(parts))) return false;
    }
  }
  return true;
}

// Where the gradient of a piece over the rows of worker `index` stands.
template <class T>
T* CpuEngine<T>::row_sums(std::size_t index, const Piece& piece) {
  return row_sums_.data() + index * row_sums_size_ + layers_[piece.layer].row_sums +
         (piece.offset - layout_.layers[piece.layer].weights);
}

// Takes row_sums() of the blocks of this worker's own rows.
template <class T>
void CpuEngine<T>::sum_own_rows(const core::Worker& worker, const Minibatch& batch) {
  const std::size_t rows = batch.rows.count;
  const auto index = static_cast<std::size_t>(worker.index);
  const std::size_t blocks = kRowBlocks / static_cast<std::size_t>(worker.count);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (!sums_row_blocks(l, rows)) continue;
    const LayerLayout& place = layout_.layers[l];
    for (std::size_t column = 0; column < place.units; column += kernels::kPanel<T>) {
      const std::size_t width = kernels::panel_width<T>(place.units, column);
      const Piece bias{l, 0, 0, column, place.bias + column, width, true};
      const Piece weights{l,
                          0,
                          place.inputs,
                          column,
                          place.weights + place.inputs * column,
                          place.inputs * width,
                          false};
      for (std::size_t block = 0; block < blocks; ++block) {
        const core::Share share = core::share_of(rows, index * blocks + block, kRowBlocks);
        const kernels::Sums sums = block == 0 ? kernels::Sums::replace : kernels::Sums::add;
        add_up(bias, batch, share, row_sums(index, bias), sums, nullptr);
        add_up(weights, batch, share, row_sums(index, weights), sums, nullptr);
      }
    }
  }
}

// The gradient of a piece over some of the minibatch's rows.
template <class T>
void CpuEngine<T>::add_up(const Piece& piece, const Minibatch& batch, const core::Share& rows,
                          T* gradient, kernels::Sums sums, const Update<T>* read_next) {
  const Layer& layer = layers_[piece.layer];
  const T* const d_z = layer.d_z.data() + rows.begin * layer.ld;
  if (piece.is_bias) {
    kernels_.dense_backward_bias(
        {rows.size(), piece.size, d_z + piece.column_begin, layer.ld, gradient, sums});
    return;
  }
  const Matrix<T> x = input_of(piece.layer, batch);
  const std::size_t units = layout_.layers[piece.layer].units;
  kernels::DenseBackwardWeights<T> product{rows.size(),
                                           units,
                                           piece.input_begin,
                                           piece.input_end,
                                           piece.column_begin,
                                           x.data + rows.begin * x.ld,
                                           x.ld,
                                           d_z,
                                           layer.ld,
                                           gradient,
                                           sums,
                                           {}};
  if (read_next != nullptr) {
    const T* const theta = read_next->vectors.theta + piece.offset;
    product.read_next[0] = theta;
    for (int i = 0; i < 2; ++i) {
      const T* const state = read_next->vectors.state[i];
      product.read_next[i + 1] = state == nullptr ? theta : state + piece.offset;
    }
  }
  kernels_.dense_backward_weights(product);
}

// The gradient of a piece over blocks [first, first + count) of rows: in `sum`, or where it stands
// already.
template <class T>
const T* CpuEngine<T>::add_up_blocks(const core::Worker& worker, const Piece& piece,
                                     const Minibatch& batch, std::size_t first, std::size_t count,
                                     T* sum, T* other_half) {
  const std::size_t rows = batch.rows.count;
  const auto workers = static_cast<std::size_t>(worker.count);
  if (count * workers == kRowBlocks && sums_own_rows(worker, rows)) {
    return row_sums(first / count, piece);
  }
  if (count == 1) {
    add_up(piece, batch, core::share_of(rows, first, kRowBlocks), sum, kernels::Sums::replace,
           nullptr);
    return sum;
  }
  const std::size_t half = count / 2;
  const T* const low = add_up_blocks(worker, piece, batch, first, half, sum, other_half);
  if (half == 1 && low == sum) {
    add_up(piece, batch, core::share_of(rows, first + 1, kRowBlocks), sum, kernels::Sums::add,
           nullptr);
    return sum;
  }
  const T* const high =
      add_up_blocks(worker, piece, batch, first + half, half, other_half, nullptr);
  kernels_.add(piece.size, low, high, sum);
  return sum;
}

template <class T>
void CpuEngine<T>::piece_gradient(const core::Worker& worker, const Piece& piece,
                                  const Minibatch& batch, T* gradient, bool accumulate,
                                  const Update<T>* read_next) {
  if (!sums_row_blocks(piece.layer, batch.rows.count)) {
    add_up(piece, batch, {0, batch.rows.count}, gradient,
           accumulate ? kernels::Sums::go_on : kernels::Sums::replace, read_next);
    return;
  }
  T* const sum = accumulate ? scratch(worker, 2 + kernels::kMostStates) : gradient;
  add_up_blocks(worker, piece, batch, 0, kRowBlocks, sum,
                scratch(worker, 3 + kernels::kMostStates));
  if (accumulate) kernels_.add(piece.size, gradient, sum, gradient);
}

template <class T>
void CpuEngine<T>::add_penalty_gradient(const Update<T>& update, bool is_bias, std::size_t size,
                                        const T* theta, T* gradient) const {
  if (!update.penalty.any() || is_bias) return;
  kernels_.add_penalty_gradient(size, theta, static_cast<T>(update.penalty.l2),
                                static_cast<T>(update.penalty.l1), gradient);
}

template <class T>
void CpuEngine<T>::clip(const Update<T>& update, std::size_t size, T* gradient) const {
  if (std::isfinite(update.clip_value)) {
    kernels_.clip(size, static_cast<T>(update.clip_value), gradient);
  }
  if (update.gradient_scale != 1.0) {
    kernels_.scale(size, static_cast<T>(update.gradient_scale), gradient);
  }
}

template <class T>
void CpuEngine<T>::step(const Update<T>& update, const Piece& piece, const T* gradient, T* theta,
                        T* const (&state)[kernels::kMostStates]) const {
  kernels_.update[update.rule]({update.hyperparameters,
                                update.scalars,
                                !piece.is_bias,
                                piece.size,
                                theta,
                                gradient,
                                {state[0], state[1], state[2]}});
}

template <class T>
void CpuEngine<T>::apply(const Update<T>& update, const Piece& piece, T* gradient) const {
  const Vectors<T>& vectors = update.vectors;
  const auto state = [&](int i) {
    return vectors.state[i] == nullptr ? nullptr : vectors.state[i] + piece.offset;
  };
  T* const theta = vectors.theta + piece.offset;
  add_penalty_gradient(update, piece.is_bias, piece.size, theta, gradient);
  clip(update, piece.size, gradient);
  step(update, piece, gradient, theta, {state(0), state(1), state(2)});
  if (vectors.average == nullptr) return;
  kernels_.move_average(piece.size, theta, static_cast<T>(vectors.average_decay),
                        static_cast<T>(1.0 - vectors.average_decay),
                        vectors.average + piece.offset);
}

template <class T>
T* CpuEngine<T>::scratch(const core::Worker& worker, std::size_t place) {
  const auto index = static_cast<std::size_t>(worker.index);
  return pieces_.data() + (index * kScratchPieces + place) * kPieceSize<T>;
}

template <class T>
bool CpuEngine<T>::gradient(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                            T* gradient, bool accumulate) {
  return for_each_piece(
      worker,
      [&](const Piece& piece) {
        piece_gradient(worker, piece, batch, gradient + piece.offset, accumulate, nullptr);
      },
      [&](std::size_t l, double parts) {
        const double flops = product_flops(batch.rows.count, layout_.layers[l]);
        return pace.meet_after(flops / worker.count / parts);
      });
}

template <class T>
bool CpuEngine<T>::gradient_of_part(const core::Worker& worker, core::Pace& pace,
                                    const Minibatch& batch, const core::Share& rows, T* gradient,
                                    bool accumulate) {
  const kernels::Sums sums = accumulate ? kernels::Sums::go_on : kernels::Sums::replace;
  return for_each_piece(
      worker,
      [&](const Piece& piece) {
        add_up(piece, batch, rows, gradient + piece.offset, sums, nullptr);
      },
      [&](std::size_t l, double parts) {
        const double flops = product_flops(rows.size(), layout_.layers[l]);
        return pace.meet_after(flops / worker.count / parts);
      });
}

template <class T>
bool CpuEngine<T>::updates_long(std::size_t rows) const {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(layout_.count) > kLongUpdateFlops;
}

template <class T>
bool CpuEngine<T>::update_stays_finite(const core::Worker& worker, const Minibatch& batch,
                                       const T* gradient, const Update<T>& update) {
  bool finite = true;
  for_each_piece(worker, [&](const Piece& piece) {
    T* const piece_of_gradient = scratch(worker, 0);
    if (gradient != nullptr) {
      std::copy_n(gradient + piece.offset, piece.size, piece_of_gradient);
    } else {
      piece_gradient(worker, piece, batch, piece_of_gradient, false, nullptr);
    }
    T* const theta = scratch(worker, 1);
    std::copy_n(update.vectors.theta + piece.offset, piece.size, theta);
    T* state[kernels::kMostStates] = {};
    for (std::size_t i = 0; i < kernels::kMostStates; ++i) {
      if (update.vectors.state[i] == nullptr) continue;
      state[i] = scratch(worker, 2 + i);
      std::copy_n(update.vectors.state[i] + piece.offset, piece.size, state[i]);
    }
    add_penalty_gradient(update, piece.is_bias, piece.size, theta, piece_of_gradient);
    finite = finite && kernels_.all_finite(piece.size, piece_of_gradient);
    clip(update, piece.size, piece_of_gradient);
    step(update, piece, piece_of_gradient, theta, state);
    for (const T* updated : {theta, state[0], state[1], state[2]}) {
      finite = finite && (updated == nullptr || kernels_.all_finite(piece.size, updated));
    }
  });
  return finite;
}

template <class T>
void CpuEngine<T>::update(const core::Worker& worker, const Minibatch& batch,
                          const Update<T>& update) {
  T* const gradient = scratch(worker, 0);
  std::size_t vectors = 1;
  for (const T* state : update.vectors.state) vectors += state != nullptr;
  const bool streams =
      vectors * layout_.size * sizeof(T) > kStreamedBytes * static_cast<std::size_t>(worker.count);
  for_each_piece(worker, [&](const Piece& piece) {
    piece_gradient(worker, piece, batch, gradient, false, streams ? &update : nullptr);
    apply(update, piece, gradient);
  });
}

template <class T>
void CpuEngine<T>::update_from(const core::Worker& worker, T* gradient, const Update<T>& update) {
  for_each_piece(worker,
                 [&](const Piece& piece) { apply(update, piece, gradient + piece.offset); });
}

template Update<float> prepare_update<float>(const Optimizer&, double, std::uint64_t,
                                             const Vectors<float>&, const Penalty&, double);
template Update<double> prepare_update<double>(const Optimizer&, double, std::uint64_t,
                                               const Vectors<double>&, const Penalty&, double);
template class CpuEngine<float>;
template class CpuEngine<double>;

}  // namespace descend::engine
