// The choice of one kernel table for the process.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_table.hpp"

namespace descend::kernels {

/// The table in use, chosen at the first call: the best one that is built in and that the
/// processor runs, or the one that DESCEND_ISA names. Throws std::invalid_argument, listing the
/// available ones, where that is not one of them.
const KernelTable& kernel_table();

/// Built in and runnable here, best first.
std::vector<const KernelTable*> available_tables();
/// Their names.
std::vector<std::string> available_isas();

}  // namespace descend::kernels
