// What a trainer's steps run on.
#pragma once

#include <string>
#include <vector>

namespace descend {

/// One row a device. All give the same bits.
///
///   cpu   the processor
///   cuda  the first NVIDIA GPU that CUDA shows (CUDA_VISIBLE_DEVICES), where the library is built
///         with CUDA
#define DESCEND_DEVICES(ROW) ROW(cpu) ROW(cuda)

enum class Device {
#define DESCEND_ROW(name) name,
  DESCEND_DEVICES(DESCEND_ROW)
#undef DESCEND_ROW
};

/// Every name, in the order of the enumeration.
std::vector<std::string> device_names();
std::string name(Device device);
/// Throws std::invalid_argument, listing the known names.
Device parse_device(const std::string& name);

/// Names of the GPUs that CUDA shows, such as "NVIDIA H100 80GB HBM3"; none without CUDA, a driver
/// or a GPU.
std::vector<std::string> cuda_devices();

}  // namespace descend
