// Type casters that refuse an object whose __init__ has not run or has raised: pybind11 would hand
// its methods uninitialised memory. Included by every file that binds or takes one of these types.
#pragma once

#include <pybind11/pybind11.h>

#include "core/checks.hpp"
#include "descend/learning_rate.hpp"
#include "descend/network.hpp"
#include "descend/optimizer.hpp"

namespace descend::bindings {

template <class T>
struct InitialisedCaster : pybind11::detail::type_caster_base<T> {
  bool load(pybind11::handle source, bool convert) {
    const pybind11::handle type = pybind11::detail::get_type_handle(typeid(T), false);
    if (type && PyObject_TypeCheck(source.ptr(), reinterpret_cast<PyTypeObject*>(type.ptr()))) {
      auto* instance = reinterpret_cast<pybind11::detail::instance*>(source.ptr());
      if (!instance->get_value_and_holder().holder_constructed()) {
        const auto type_name = type.attr("__name__").cast<std::string>();
        throw std::runtime_error(core::text(type_name,
                                            ": this object is not initialised: its __init__ "
                                            "has not run, or raised."));
      }
    }
    return pybind11::detail::type_caster_base<T>::load(source, convert);
  }
};

}  // namespace descend::bindings

namespace pybind11::detail {
template <>
struct type_caster<descend::Network> : descend::bindings::InitialisedCaster<descend::Network> {};
template <>
struct type_caster<descend::LearningRate>
    : descend::bindings::InitialisedCaster<descend::LearningRate> {};
#define DESCEND_ROW(name) \
  template <>             \
  struct type_caster<descend::name> : descend::bindings::InitialisedCaster<descend::name> {};
DESCEND_OPTIMIZERS(DESCEND_ROW)
#undef DESCEND_ROW
}  // namespace pybind11::detail
