#include "engine/cuda_gradients.hpp"

#include <algorithm>

#include "engine/gradient_pieces.hpp"
#include "engine/minibatch.hpp"

namespace descend::engine {

static_assert(kRowBlocks == kernels::kRowParts);

// Of these rows, those whose blocks are each summed in parts. Blocks have kBlockRows rows, but for
// the last one, which is shorter and not always summed as the others are.
template <class T>
std::size_t CudaGradients<T>::split_rows(const LayerLayout& layer, const CudaRows& rows) const {
  const auto in_parts = [&](std::size_t block_rows) {
    return block_rows > 0 && sums_row_blocks(layer, block_rows, layout_.count);
  };
  const std::size_t rest = rows.count % kBlockRows, whole = rows.count - rest;
  if (in_parts(rest)) return rows.count;
  return in_parts(std::min(whole, kBlockRows)) ? whole : 0;
}

template <class T>
typename CudaGradients<T>::Partial CudaGradients<T>::partial_of(const CudaRows& rows) const {
  Partial partial;
  for (const LayerLayout& layer : layout_.layers) {
    const std::size_t split = split_rows(layer, rows);
    if (split == 0) continue;
    partial.size += kernels::paneled_size<T>(layer.inputs + 1, layer.units);
    partial.count = std::max(partial.count, (split + kBlockRows - 1) / kBlockRows * kRowBlocks);
  }
  return partial;
}

template <class T>
CudaGradientPass<T> CudaGradients<T>::plan(const CudaRows& rows, bool drops, T* partial) const {
  std::vector<kernels::CudaGradient<T>> layers;
  const std::size_t partial_size = partial_of(rows).size;
  for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
    const LayerLayout& place = layout_.layers[l];
    kernels::CudaGradient<T> gradient{};
    gradient.inputs = place.inputs;
    gradient.units = place.units;
    gradient.weights = place.weights;
    gradient.bias = place.bias;
    gradient.x = propagation_.input_of(l, drops);
    gradient.ld_x = propagation_.ld_of_input(l);
    gradient.d_z = propagation_.d_z_of(l);
    gradient.ld_d_z = propagation_.ld_of_d_z(l);
    gradient.rows = rows.count;
    gradient.split_rows = split_rows(place, rows);
    gradient.block_rows = kBlockRows;
    gradient.goes_on = !rows.is_first;
    if (gradient.split_rows > 0) {
      gradient.partial = partial;
      gradient.partial_size = partial_size;
      partial += kernels::paneled_size<T>(place.inputs + 1, place.units);
    }
    layers.push_back(gradient);
  }
  CudaGradientPass<T> pass;
  pass.plan = kernels_.plan_gradients(layers.data(), layers.size());
  pass.counters.reserve(pass.plan.counters);
  for (kernels::CudaGradient<T>& layer : layers) {
    layer.counters = pass.counters.data() + layer.first_counter;
  }
  pass.layers.reserve(layers.size());
  check_cuda(cudaMemcpy(pass.layers.data(), layers.data(),
                        layers.size() * sizeof(kernels::CudaGradient<T>), cudaMemcpyHostToDevice),
             "cudaMemcpy");
  return pass;
}

template class CudaGradients<float>;
template class CudaGradients<double>;

}  // namespace descend::engine
