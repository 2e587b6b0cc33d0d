// The kernel table of one instruction set. Compiled once for each, with
//   DESCEND_ISA_NAMESPACE  its name, and DESCEND_SIMD_HEADER  its vector types
// Everything but the table has internal linkage and nothing of the standard library is called, so
// that the linker can never put one instruction set's code in another's place.
#include DESCEND_SIMD_HEADER

#include "kernels/activations.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/gemm.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/losses.hpp"
#include "kernels/math.hpp"
#include "kernels/update_rules.hpp"

namespace descend::kernels::DESCEND_ISA_NAMESPACE {
namespace {

template <class T, Vec<T> (*kFunction)(Vec<T>)>
void evaluate(std::size_t count, const T* x, T* out) {
  for (std::size_t i = 0; i < count; i += kGroup<T>) {
    const std::size_t lanes = count - i < kGroup<T> ? count - i : kGroup<T>;
    kFunction(Vec<T>::load_first(x + i, lanes)).store_first(out + i, lanes);
  }
}

template <class T>
constexpr Kernels<T> kernels() {
  return {
      dense_forward<T>,
      dense_backward_input<T>,
      dense_backward_weights<T>,
      dense_backward_bias<T>,
#define DESCEND_ROW(name, from) activation_backward<T, activations::name>,
      {DESCEND_ACTIVATIONS(DESCEND_ROW)},
#undef DESCEND_ROW
#define DESCEND_ROW(name, targets) losses::name<T>::rows,
      {DESCEND_LOSSES(DESCEND_ROW)},
#undef DESCEND_ROW
#define DESCEND_ROW(name) update_rules::name<T>::prepare,
      {DESCEND_OPTIMIZERS(DESCEND_ROW)},
#undef DESCEND_ROW
#define DESCEND_ROW(name) update_rules::name<T>::flat,
      {DESCEND_OPTIMIZERS(DESCEND_ROW)},
#undef DESCEND_ROW
      gather_rows<T>,
      find_nonzeros<T>,
      add<T>,
      multiply<T>,
      all_finite<T>,
      absolute_sum<T>,
      squared_norms<T>,
      products_with_sum<T>,
      squared_distance<T>,
      penalty<T>,
      add_penalty_gradient<T>,
      clip<T>,
      scale<T>,
      squared_norm<T>,
      move_average<T>,
      weighted_sum<T>,
#define DESCEND_ROW(name) evaluate<T, name<T>>,
      {DESCEND_FUNCTIONS(DESCEND_ROW)},
#undef DESCEND_ROW
  };
}

#define DESCEND_STRING(text) #text
#define DESCEND_NAME(macro) DESCEND_STRING(macro)

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable = {DESCEND_NAME(DESCEND_ISA_NAMESPACE), kernels<float>(),
                            kernels<double>()};

}  // namespace descend::kernels::DESCEND_ISA_NAMESPACE
