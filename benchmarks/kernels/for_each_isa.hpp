// Runs a benchmark with the kernels of each instruction set in turn.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/float_environment.hpp"
#include "kernels/dispatch.hpp"

namespace benchmarks {

/// Calls run(table) for each instruction set, or for that of DESCEND_ISA alone where it is set.
/// A process chooses its table once, so each runs in a forked one. Returns an exit status.
template <class Run>
int for_each_isa(const Run& run) {
  const descend::core::FlushToZero flush;
  const char* only = std::getenv("DESCEND_ISA");
  if (only != nullptr && *only != '\0') {
    run(descend::kernels::kernel_table());
    return EXIT_SUCCESS;
  }
  for (const std::string& isa : descend::kernels::available_isas()) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      setenv("DESCEND_ISA", isa.c_str(), 1);
      run(descend::kernels::kernel_table());
      std::exit(EXIT_SUCCESS);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace benchmarks
