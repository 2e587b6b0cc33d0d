// Ctrl-C and other signals during a call.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>

#include "bindings/gil.hpp"

namespace descend::bindings {

/// Whether a signal such as Ctrl-C has come; its Python exception is then set. Called from the
/// thread that made the call, without the GIL.
inline bool signal_came() {
  const GilHeld acquire;
  return PyErr_CheckSignals() != 0;
}

/// What `work` gives, done without the GIL; an exception that a signal's handler set goes on.
template <class Work>
auto without_gil(const Work& work) {
  const auto result = [&] {
    const GilReleased release;
    return work();
  }();
  if (PyErr_Occurred() != nullptr) throw pybind11::error_already_set();
  return result;
}

/// Whether Ctrl-C waits for its handler, which must not run here: the network is locked. Called
/// without the GIL.
inline bool ctrl_c_came() {
  const GilHeld acquire;
  if (PyOS_InterruptOccurred() == 0) return false;
  PyErr_SetInterrupt();  // asking has taken it away
  return true;
}

/// Does work(interrupted) without the GIL, again where Ctrl-C ended it and its handler raised
/// nothing.
template <class Work>
void until_not_interrupted(const Work& work) {
  bool ended = false;
  do {
    {
      const GilReleased release;
      work([&ended] { return ended = ctrl_c_came(); });
    }
    if (ended && PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
  } while (std::exchange(ended, false));
}

}  // namespace descend::bindings
