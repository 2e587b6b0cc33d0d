// Ctrl-C during a call that holds a network locked for reading.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>

namespace descend::bindings {

/// Whether Ctrl-C waits for its handler, which must not run here: the network is locked. Called
/// without the GIL.
inline bool ctrl_c_came() {
  const pybind11::gil_scoped_acquire acquire;
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
      const pybind11::gil_scoped_release release;
      work([&ended] { return ended = ctrl_c_came(); });
    }
    if (ended && PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
  } while (std::exchange(ended, false));
}

}  // namespace descend::bindings
