#include "engine/cpu_engine.hpp"

#include <algorithm>

#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

// Parameters and their states, so many bytes a worker, are fetched ahead of their update: they are
// in no cache near by. This is 4 % of a step of 784-1024-1024-10.
constexpr std::size_t kStreamedBytes = std::size_t{2} << 20;

// Of a product that must not be given up half-way: about a tenth of a second of one thread.
constexpr double kLongUpdateFlops = 8e9;

// Rows whose norms are taken at a time.
constexpr std::size_t kNormRows = 64;

}  // namespace

template <class T>
CpuEngine<T>::CpuEngine(const NetworkSpec& spec, const ParameterLayout& layout, Loss loss,
                        std::size_t block_rows, int workers)
    : layout_(layout),
      kernels_(kernels::kernels_of<T>(kernels::kernel_table())),
      block_rows_(block_rows),
      sharing_(layout, block_rows, workers),
      propagation_(spec, layout, sharing_, loss, block_rows, workers),
      magnitudes_(layout, propagation_, workers),
      pieces_(layout, sharing_, propagation_, block_rows, workers),
      blocks_(layout) {}

template <class T>
void CpuEngine<T>::share_out(int workers) {
  sharing_.share_out(workers);
  magnitudes_.clear();
}

template <class T>
bool CpuEngine<T>::backpropagate(const core::Worker& worker, core::Pace& pace,
                                 const Minibatch& batch, const T* theta) {
  const std::size_t rows = batch.rows.count;
  const std::size_t part_rows = sharing_.rows_together(worker);
  magnitudes_.begin_rows(worker);
  propagation_.begin_rows(worker, rows, part_rows, pieces_.row_blocks(rows));
  for (std::size_t begin = 0; begin < rows; begin += part_rows) {
    const std::size_t end = std::min(begin + part_rows, rows);
    if (!propagation_.run(worker, pace, batch, theta, begin, end)) return false;
    if (!measures_rows_) continue;
    const core::Share own = worker.share(end - begin);
    magnitudes_.add_rows(worker, {begin + own.begin, begin + own.end}, batch);
  }
  pieces_.sum_own_rows(worker, batch);
  worker.wait();
  pieces_.list_columns(worker, batch);
  return true;
}

template <class T>
double CpuEngine<T>::loss_sum(const Minibatch& batch) const {
  const T* const losses = propagation_.losses();
  if (batch.examples.weights == nullptr) {
    return kernels_.weighted_sum(batch.rows.count, losses, nullptr);
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < batch.rows.count; ++i) {
    sum += batch.examples.weights[batch.rows[i]] * static_cast<double>(losses[i]);
  }
  return sum;
}

template <class T>
void CpuEngine<T>::row_gradient_norms(const core::Worker& worker, const Minibatch& batch,
                                      double* squared) const {
  const core::Share share = worker.share(batch.rows.count);
  for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    const Matrix<T> x = propagation_.input_of(l, batch);
    const Matrix<T> d_z = propagation_.d_z_of(l);
    double* const of_layer = squared + l * batch.rows.count;
    for (std::size_t begin = share.begin; begin < share.end; begin += kNormRows) {
      const std::size_t rows = std::min(kNormRows, share.end - begin);
      double of_inputs[kNormRows];
      kernels_.squared_norms(rows, place.inputs, x.data + begin * x.ld, x.ld, of_inputs);
      // Whole groups: zeros stand behind the units.
      kernels_.squared_norms(rows, kernels::padded<T>(place.units), d_z.data + begin * d_z.ld,
                             d_z.ld, of_layer + begin);
      for (std::size_t i = 0; i < rows; ++i) of_layer[begin + i] *= of_inputs[i] + 1.0;
    }
  }
}

// Calls sum_piece(piece) for this worker's pieces, over so many rows each; the workers meet where
// that is long.
template <class T>
template <class Sum>
bool CpuEngine<T>::gradient_of_rows(const core::Worker& worker, core::Pace& pace, std::size_t rows,
                                    const Sum& sum_piece) {
  return pieces_.for_each(worker, sum_piece, [&](std::size_t l, double parts) {
    return pace.meet_after(product_flops(rows, layout_.layers[l]) / worker.count / parts);
  });
}

template <class T>
bool CpuEngine<T>::gradient(const core::Worker& worker, core::Pace& pace, const Minibatch& batch,
                            T* gradient, bool accumulate) {
  const kernels::Sums sums = accumulate ? kernels::Sums::go_on : kernels::Sums::replace;
  return gradient_of_rows(worker, pace, batch.rows.count, [&](const Piece& piece) {
    pieces_.sum_rows(worker, piece, batch, gradient + piece.offset, sums, nullptr);
  });
}

template <class T>
bool CpuEngine<T>::gradient_of_part(const core::Worker& worker, core::Pace& pace,
                                    const Minibatch& batch, const core::Share& rows, T* gradient,
                                    bool accumulate) {
  const kernels::Sums sums = accumulate ? kernels::Sums::go_on : kernels::Sums::replace;
  return gradient_of_rows(worker, pace, rows.size(), [&](const Piece& piece) {
    pieces_.add_up(piece, batch, rows, gradient + piece.offset, sums);
  });
}

template <class T>
bool CpuEngine<T>::updates_long(std::size_t rows) const {
  return product_flops(rows, 1, layout_.count) > kLongUpdateFlops;
}

template <class T>
bool CpuEngine<T>::update_stays_finite(const core::Worker& worker, const Minibatch& batch,
                                       const T* gradient, const Update<T>& update) {
  bool finite = true;
  pieces_.for_each(worker, [&](const Piece& piece) {
    T* const own = pieces_.gradient_room(worker);
    if (gradient != nullptr) {
      std::copy_n(gradient + piece.offset, piece.size, own);
    } else {
      pieces_.sum_rows(worker, piece, batch, own, kernels::Sums::replace, nullptr);
    }
    T* const copies = pieces_.trial_room(worker);
    finite = stays_finite(kernels_, update, piece, own, copies) && finite;
  });
  return finite;
}

template <class T>
void CpuEngine<T>::update(const core::Worker& worker, const Minibatch& batch,
                          const Update<T>& update) {
  T* const gradient = pieces_.gradient_room(worker);
  std::size_t vectors = 1;
  for (const T* state : update.vectors.state) vectors += state != nullptr;
  const bool streams =
      vectors * layout_.size * sizeof(T) > kStreamedBytes * static_cast<std::size_t>(worker.count);
  pieces_.for_each(worker, [&](const Piece& piece) {
    pieces_.sum_rows(worker, piece, batch, gradient, kernels::Sums::replace,
                     streams ? &update : nullptr);
    apply(kernels_, update, piece, gradient);
  });
}

template <class T>
void CpuEngine<T>::update_from(const core::Worker& worker, T* gradient, const Update<T>& update) {
  pieces_.for_each(
      worker, [&](const Piece& piece) { apply(kernels_, update, piece, gradient + piece.offset); });
}

template class CpuEngine<float>;
template class CpuEngine<double>;

}  // namespace descend::engine
