#include "engine/gradient_pieces.hpp"

#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Where a layer has more activations than weights, its gradient is a sum over kRowBlocks blocks of
// rows, (b0 + b1) + (b2 + b3), of which a worker adds up those of its own rows: they are in its
// caches, and what workers read of each other is as large as the weights. With two threads a step
// of 64-100-10 with 200 rows takes 12 % less, or 32 % on processors that share no cache.
constexpr double kLeastRowBlockFlops = 1e6;

// Pieces a worker has room for: a gradient, what a trial of its update copies, and two sums over
// rows.
constexpr std::size_t kRowSumPlace = 1 + kTrialVectors;
constexpr std::size_t kOtherHalfPlace = kRowSumPlace + 1;
constexpr std::size_t kScratchPieces = kOtherHalfPlace + 1;

template <class T>
constexpr std::size_t kPieceSize = kPieceRows * kernels::kPanel<T>;

}  // namespace

bool sums_row_blocks(const LayerLayout& layer, std::size_t rows, std::size_t parameters) {
  return rows * (layer.inputs + layer.units) > layer.inputs * layer.units &&
         core::step_flops(rows, parameters) > kLeastRowBlockFlops;
}

template <class T>
GradientPieces<T>::GradientPieces(const ParameterLayout& layout, const LayerSharing<T>& sharing,
                                  Propagation<T>& propagation, std::size_t block_rows, int workers)
    : layout_(layout),
      sharing_(sharing),
      propagation_(propagation),
      kernels_(kernels::kernels_of<T>(kernels::kernel_table())),
      block_rows_(block_rows),
      workers_(static_cast<std::size_t>(workers)),
      pieces_(workers_ * kScratchPieces * kPieceSize<T>) {}

template <class T>
void GradientPieces<T>::take_inputs_of(const Examples& examples) {
  const std::size_t elements = block_rows_ * examples.most_stored;
  if (propagation_.lists_of(0) != nullptr && !columns_.has_room(elements)) {
    columns_ = ColumnLists<T>(layout_.layers.front().inputs, elements);
  }
  row_sums_begin_.clear();
  row_sums_size_ = 0;
  for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
    row_sums_begin_.push_back(row_sums_size_);
    if (workers_ == 1 || sums_parts_only_ || !sums_own_rows(l, block_rows_)) continue;
    const LayerLayout& place = layout_.layers[l];
    row_sums_size_ += kernels::paneled_size<T>(place.inputs + 1, place.units);
  }
  if (row_sums_.size() >= workers_ * row_sums_size_) return;
  row_sums_ = core::AlignedBuffer<T>(workers_ * row_sums_size_);
}

template <class T>
void GradientPieces<T>::list_columns(const core::Worker& worker, const Minibatch& batch) {
  const RowLists<T>* const lists = propagation_.lists_of(0);
  if (lists == nullptr) return;
  columns_.take(worker, *lists, batch.rows.count);
  worker.wait();
}

template <class T>
std::size_t GradientPieces<T>::row_blocks(std::size_t rows) const {
  return sums_row_blocks(0, rows) ? kRowBlocks : 1;
}

// Whether the blocks of a layer's rows are worth summing ahead. The gradient of listed inputs is
// mostly 0, and lies in fewer elements than it has.
template <class T>
bool GradientPieces<T>::sums_own_rows(std::size_t l, std::size_t rows) const {
  return sums_row_blocks(l, rows) && propagation_.lists_of(l) == nullptr;
}

// Whether each worker sums those of its own rows: row_sums() are there then.
template <class T>
bool GradientPieces<T>::sums_own_rows(const core::Worker& worker, std::size_t rows) const {
  return row_sums_size_ > 0 && worker.count > 1 &&
         kRowBlocks % static_cast<std::size_t>(worker.count) == 0 &&
         rows <= sharing_.rows_together(worker);
}

// Where the gradient of a piece over the rows of worker `index` stands.
template <class T>
T* GradientPieces<T>::row_sums(std::size_t index, const Piece& piece) {
  return row_sums_.data() + index * row_sums_size_ + row_sums_begin_[piece.layer] +
         (piece.offset - layout_.layers[piece.layer].weights);
}

template <class T>
void GradientPieces<T>::sum_own_rows(const core::Worker& worker, const Minibatch& batch) {
  const std::size_t rows = batch.rows.count;
  if (!sums_own_rows(worker, rows)) return;
  const auto index = static_cast<std::size_t>(worker.index);
  const std::size_t blocks = kRowBlocks / static_cast<std::size_t>(worker.count);
  for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
    if (!sums_own_rows(l, rows)) continue;
    const LayerLayout& place = layout_.layers[l];
    const Part all = {0, place.inputs, 0, place.units};
    for_each_panel(place, all, [&](std::size_t column, std::size_t width) {
      const Piece bias = bias_piece(l, place, column, width);
      const Piece weights = weights_piece(l, place, 0, place.inputs, column, width);
      for (std::size_t block = 0; block < blocks; ++block) {
        const core::Share share = core::share_of(rows, index * blocks + block, kRowBlocks);
        const kernels::Sums sums = block == 0 ? kernels::Sums::replace : kernels::Sums::add;
        add_up_nonzeros(worker, bias, batch, share, row_sums(index, bias), sums, nullptr);
        add_up_nonzeros(worker, weights, batch, share, row_sums(index, weights), sums, nullptr);
      }
    });
  }
}

// The product that is the gradient of weights over so many rows, its left operand aside.
template <class T>
kernels::DenseBackwardWeights<T> GradientPieces<T>::product_of(const Piece& piece, std::size_t rows,
                                                               const Matrix<T>& d_z, T* gradient,
                                                               kernels::Sums sums,
                                                               const Update<T>* read_next) const {
  kernels::DenseBackwardWeights<T> product{};
  product.rows = rows;
  product.units = layout_.layers[piece.layer].units;
  product.input_begin = piece.input_begin;
  product.input_end = piece.input_end;
  product.column_begin = piece.column_begin;
  product.d_z = d_z.data;
  product.ld_d_z = d_z.ld;
  product.d_w = gradient;
  product.sums = sums;
  if (read_next == nullptr) return product;
  const T* const theta = read_next->vectors.theta + piece.offset;
  product.read_next[0] = theta;
  for (int i = 0; i < 2; ++i) {
    const T* const state = read_next->vectors.state[i];
    product.read_next[i + 1] = state == nullptr ? theta : state + piece.offset;
  }
  return product;
}

// The gradient of weights whose inputs are listed, as sum_rows() gives it.
template <class T>
void GradientPieces<T>::sum_listed_rows(const Piece& piece, const Minibatch& batch, T* gradient,
                                        kernels::Sums sums, const Update<T>* read_next) const {
  const std::size_t rows = batch.rows.count;
  auto product =
      product_of(piece, rows, propagation_.d_z_of(piece.layer), gradient, sums, read_next);
  product.columns = columns_.from(piece.input_begin);
  for (std::size_t i = 0; sums_row_blocks(piece.layer, rows) && i < kRowBlocks; ++i) {
    product.columns.block_ends[i] =
        static_cast<std::uint32_t>(core::share_of(rows, i, kRowBlocks).end);
  }
  kernels_.dense_backward_weights(product);
}

template <class T>
void GradientPieces<T>::add_up(const Piece& piece, const Minibatch& batch, const core::Share& rows,
                               T* gradient, kernels::Sums sums, const Update<T>* read_next,
                               const typename Nonzeros<T>::Blocks& nonzeros) const {
  const Matrix<T> all_d_z = propagation_.d_z_of(piece.layer);
  const T* const d_z = all_d_z.data + rows.begin * all_d_z.ld;
  if (piece.are_biases) {
    kernels_.dense_backward_bias(
        {rows.size(), piece.size, d_z + piece.column_begin, all_d_z.ld, gradient, sums});
    return;
  }
  const Matrix<T> x = propagation_.input_of(piece.layer, batch);
  auto product = product_of(piece, rows.size(), {d_z, all_d_z.ld}, gradient, sums, read_next);
  product.x = x.data + rows.begin * x.ld;
  product.ld_x = x.ld;
  product.nonzeros = nonzeros.first;
  product.nonzero_blocks = nonzeros.count;
  kernels_.dense_backward_weights(product);
}

// The same, passing over inputs that are 0: of rows that Nonzeros::blocks() takes.
template <class T>
void GradientPieces<T>::add_up_nonzeros(const core::Worker& worker, const Piece& piece,
                                        const Minibatch& batch, const core::Share& rows,
                                        T* gradient, kernels::Sums sums,
                                        const Update<T>* read_next) {
  add_up(piece, batch, rows, gradient, sums, read_next,
         propagation_.nonzeros_of(piece.layer, worker, rows));
}

// The gradient of a piece over blocks [first, first + count) of rows: in `sum`, or where it stands
// already.
template <class T>
const T* GradientPieces<T>::add_up_blocks(const core::Worker& worker, const Piece& piece,
                                          const Minibatch& batch, std::size_t first,
                                          std::size_t count, T* sum, T* other_half) {
  const std::size_t rows = batch.rows.count;
  const auto workers = static_cast<std::size_t>(worker.count);
  if (count * workers == kRowBlocks && sums_own_rows(piece.layer, rows) &&
      sums_own_rows(worker, rows)) {
    return row_sums(first / count, piece);
  }
  if (count == 1) {
    add_up_nonzeros(worker, piece, batch, core::share_of(rows, first, kRowBlocks), sum,
                    kernels::Sums::replace, nullptr);
    return sum;
  }
  const std::size_t half = count / 2;
  const T* const low = add_up_blocks(worker, piece, batch, first, half, sum, other_half);
  if (half == 1 && low == sum) {
    add_up_nonzeros(worker, piece, batch, core::share_of(rows, first + 1, kRowBlocks), sum,
                    kernels::Sums::add, nullptr);
    return sum;
  }
  const T* const high =
      add_up_blocks(worker, piece, batch, first + half, half, other_half, nullptr);
  kernels_.add(piece.size, low, high, sum);
  return sum;
}

template <class T>
void GradientPieces<T>::sum_rows(const core::Worker& worker, const Piece& piece,
                                 const Minibatch& batch, T* gradient, kernels::Sums sums,
                                 const Update<T>* read_next) {
  if (!piece.are_biases && propagation_.lists_of(piece.layer) != nullptr) {
    return sum_listed_rows(piece, batch, gradient, sums, read_next);
  }
  if (!sums_row_blocks(piece.layer, batch.rows.count)) {
    add_up_nonzeros(worker, piece, batch, {0, batch.rows.count}, gradient, sums, read_next);
    return;
  }
  const bool goes_on = sums == kernels::Sums::go_on;
  T* const sum = goes_on ? scratch(worker, kRowSumPlace) : gradient;
  add_up_blocks(worker, piece, batch, 0, kRowBlocks, sum, scratch(worker, kOtherHalfPlace));
  if (goes_on) kernels_.add(piece.size, gradient, sum, gradient);
}

template <class T>
T* GradientPieces<T>::scratch(const core::Worker& worker, std::size_t place) {
  const auto index = static_cast<std::size_t>(worker.index);
  return pieces_.data() + (index * kScratchPieces + place) * kPieceSize<T>;
}

template class GradientPieces<float>;
template class GradientPieces<double>;

}  // namespace descend::engine
