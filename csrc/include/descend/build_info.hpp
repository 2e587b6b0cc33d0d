// What this build is and what it runs on.
#pragma once

#include <string>
#include <vector>

namespace descend {

struct BuildInfo {
  std::string version;
  std::string isa;                          ///< the kernel set in use
  std::vector<std::string> available_isas;  ///< built in and supported here, best first
  bool openmp;
  bool cuda;    ///< built with CUDA; cuda_devices() has the GPUs
  int threads;  ///< the most a call uses: affinity, cgroup quota, DESCEND_NUM_THREADS
  std::string compiler;
};

/// Throws std::invalid_argument where DESCEND_ISA names a kernel set that is not available.
BuildInfo build_info();

}  // namespace descend
