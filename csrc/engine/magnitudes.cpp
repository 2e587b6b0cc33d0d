#include "engine/magnitudes.hpp"

#include <algorithm>

#include "kernels/dispatch.hpp"

namespace descend::engine {

template <class T>
Magnitudes<T>::Magnitudes(const ParameterLayout& layout, const Propagation<T>& propagation,
                          int workers)
    : layout_(layout),
      propagation_(propagation),
      kernels_(kernels::kernels_of<T>(kernels::kernel_table())),
      sums_(static_cast<std::size_t>(workers)) {}

template <class T>
void Magnitudes<T>::clear() {
  std::fill(sums_.begin(), sums_.end(), Sums{});
}

template <class T>
void Magnitudes<T>::measure_parameters(const core::Worker& worker, const T* theta) {
  const core::Share share = worker.share(layout_.size);
  own(worker).parameters =
      kernels_.absolute_sum(1, share.size(), theta + share.begin, share.size());
}

template <class T>
void Magnitudes<T>::begin_rows(const core::Worker& worker) {
  own(worker).inputs = own(worker).d_z = 0.0;
}

template <class T>
void Magnitudes<T>::add_rows(const core::Worker& worker, const core::Share& rows,
                             const Minibatch& batch) {
  Sums& sums = own(worker);
  for (std::size_t l = 0; l < layout_.layers.size(); ++l) {
    if (const RowLists<T>* const lists = propagation_.lists_of(l)) {
      sums.inputs += lists->absolute_sum(rows);
    } else {
      const Matrix<T> input = propagation_.input_of(l, batch);
      sums.inputs += kernels_.absolute_sum(rows.size(), propagation_.readable_columns(l, input),
                                           input.data + rows.begin * input.ld, input.ld);
    }
    const Matrix<T> d_z = propagation_.d_z_of(l);
    sums.d_z += kernels_.absolute_sum(rows.size(), d_z.ld, d_z.data + rows.begin * d_z.ld, d_z.ld);
  }
}

template <class T>
double Magnitudes<T>::parameter_bound() const {
  double bound = 0.0;
  for (const Sums& worker : sums_) bound += worker.parameters;
  return bound;
}

template <class T>
double Magnitudes<T>::gradient_bound(const Minibatch& batch) const {
  double inputs = 1.0, d_z = 0.0;  // a bias has an input of 1
  for (const Sums& worker : sums_) {
    inputs += worker.inputs;
    d_z += worker.d_z;
  }
  return static_cast<double>(batch.rows.count) * inputs * d_z;
}

template class Magnitudes<float>;
template class Magnitudes<double>;

}  // namespace descend::engine
