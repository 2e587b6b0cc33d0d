// Python's global lock, let go and taken, in threads that may be at work when Python ends.
//
// A thread that asks for the lock of an interpreter that is ending never gets it. Python 3.14 lets
// it wait; earlier versions end it by unwinding its stack, which C++ answers by aborting the
// process. Here it waits on all of them, until the process is gone.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <optional>
#include <thread>

namespace descend::bindings {

[[noreturn]] inline void wait_for_the_end() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

/// Lets go of the lock, and takes it again at the end.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // the unwinding; leaving this handler would go on with it
      wait_for_the_end();
    }
  }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

 private:
  PyThreadState* state_;
};

/// Takes the lock, and lets go of it at the end.
class GilHeld {
 public:
  GilHeld() {
    try {
      lock_.emplace();
    } catch (...) {
      wait_for_the_end();
    }
  }
  /// Without the lock where Python, called meanwhile, has begun to unwind.
  ~GilHeld() {
    if (PyGILState_Check() == 0) wait_for_the_end();
  }
  GilHeld(const GilHeld&) = delete;
  GilHeld& operator=(const GilHeld&) = delete;

 private:
  std::optional<pybind11::gil_scoped_acquire> lock_;
};

}  // namespace descend::bindings
