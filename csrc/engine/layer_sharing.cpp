#include "engine/layer_sharing.hpp"

#include "core/meeting_point.hpp"

namespace descend::engine {

namespace {

// At least as many rows go through the layers between two meetings, to reuse the weights.
constexpr std::size_t kRowsTogether = 128;

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

}  // namespace

template <class T>
LayerSharing<T>::LayerSharing(const ParameterLayout& layout, std::size_t block_rows, int workers)
    : layout_(layout), block_rows_(block_rows), layers_(layout.layers.size()) {
  share_out(workers);
}

template <class T>
void LayerSharing<T>::share_out(int workers) {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const std::size_t inputs = layout_.layers[l].inputs, units = layout_.layers[l].units;
    layers_[l] = {is_by_columns<T>(block_rows_, inputs, units, workers),
                  is_by_columns<T>(block_rows_, units, inputs, workers)};
  }
}

template <class T>
std::size_t LayerSharing<T>::rows_together(const core::Worker& worker) const {
  const auto share_rows =
      static_cast<std::size_t>(core::Pace::kFlops / core::step_flops(1, layout_.count)) +
      kRowsTogether;
  return share_rows * static_cast<std::size_t>(worker.count);
}

template class LayerSharing<float>;
template class LayerSharing<double>;

}  // namespace descend::engine
