// What the build is, and the names it knows.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <new>

#include "bindings/register.hpp"
#include "descend/descend.hpp"

namespace py = pybind11;

namespace descend::bindings {

void register_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const NonFiniteLoss& error) {
      py::set_error(PyExc_FloatingPointError, error.what());
    } catch (const std::bad_alloc&) {
      py::set_error(PyExc_MemoryError,
                    "descend: there is not enough memory for this call; the parameters are those "
                    "of the last step done. Fewer rows at a time or float32 need less.");
    } catch (const FileError& error) {
      // With errno, OSError becomes FileNotFoundError, PermissionError and so on.
      py::set_error(PyExc_OSError, py::make_tuple(error.error_number(), error.what()));
    }
  });
}

void register_info(py::module_& module) {
  module.def("activations", &activation_names, "Names of the activation functions.");
  module.def("losses", &loss_names, "Names of the losses.");
  module.def("initializers", &initializer_names, "Names of the initialisers.");
  module.def("optimizers", &optimizer_names, "Names of the optimizer classes.");
  module.def("devices", &device_names, "Names of what a Trainer may run on, with or without it.");
  module.def("cuda_devices", &cuda_devices, R"doc(Names of the GPUs that CUDA shows.

Returns
-------
list of str
    Empty where descend was built without CUDA, or no driver or GPU is there. ``device="cuda"``
    runs on the first one.
)doc");
  module.def(
      "build_info",
      [] {
        const BuildInfo info = descend::build_info();
        py::dict result;
        result["version"] = info.version;
        result["isa"] = info.isa;
        result["available_isas"] = info.available_isas;
        result["openmp"] = info.openmp;
        result["cuda"] = info.cuda;
        result["threads"] = info.threads;
        result["compiler"] = info.compiler;
        return result;
      },
      R"doc(What this build is and what it runs on.

Returns
-------
dict
    ``version``, ``isa`` (the kernel set in use), ``available_isas`` (best first), ``openmp``,
    ``cuda`` (built with it), ``threads`` (the most a call uses) and ``compiler``.

Raises
------
ValueError
    If the environment variable ``DESCEND_ISA`` names a kernel set that is not available.
)doc");
}

}  // namespace descend::bindings
