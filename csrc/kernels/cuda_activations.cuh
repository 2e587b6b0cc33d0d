// Any activation and its derivative on a GPU, by name.
#pragma once

#include "kernels/simd_cuda.hpp"

#include "kernels/activations.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T>
__device__ __noinline__ T activation_of(Activation activation, T z) {
  switch (activation) {
#define DESCEND_ROW(name, from) \
  case Activation::name: return activations::name<T>::value(Vec<T>{z}).lane;
    DESCEND_ACTIVATIONS(DESCEND_ROW)
#undef DESCEND_ROW
  }
  return z;
}

template <class T>
__device__ __noinline__ T derivative_of(Activation activation, T z_or_a) {
  switch (activation) {
#define DESCEND_ROW(name, from) \
  case Activation::name: return activations::name<T>::derivative(Vec<T>{z_or_a}).lane;
    DESCEND_ACTIVATIONS(DESCEND_ROW)
#undef DESCEND_ROW
  }
  return z_or_a;
}

}  // namespace
}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
