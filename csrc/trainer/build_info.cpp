#include "descend/build_info.hpp"

#include "core/cpu_limits.hpp"
#include "core/thread_team.hpp"
#include "descend/device.hpp"
#include "engine/cuda_engine.hpp"
#include "kernels/dispatch.hpp"

namespace descend {

BuildInfo build_info() {
  BuildInfo info;
  info.version = DESCEND_VERSION;
  info.isa = kernels::kernel_table().isa;
  info.available_isas = kernels::available_isas();
  info.openmp = core::has_openmp();
  info.cuda = engine::has_cuda();
  info.threads = core::team_size(0, 1e18);
#if defined(__clang__)
  info.compiler = "clang " __clang_version__;
#elif defined(__GNUC__)
  info.compiler = "gcc " __VERSION__;
#else
  info.compiler = "unknown";
#endif
  return info;
}

std::vector<std::string> cuda_devices() { return engine::cuda_devices(); }

}  // namespace descend
