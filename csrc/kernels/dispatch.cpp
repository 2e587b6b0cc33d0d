#include "kernels/dispatch.hpp"

#include <cstdlib>

#include "core/checks.hpp"

namespace descend::kernels {

#define DESCEND_DECLARE(isa)       \
  namespace isa {                  \
  extern const KernelTable kTable; \
  }
DESCEND_DECLARE(portable)
#ifdef DESCEND_HAVE_AVX2
DESCEND_DECLARE(avx2)
#endif
#ifdef DESCEND_HAVE_AVX512
DESCEND_DECLARE(avx512)
#endif
#ifdef DESCEND_HAVE_NEON
DESCEND_DECLARE(neon)
#endif
#undef DESCEND_DECLARE

namespace {

#ifdef DESCEND_HAVE_AVX2
bool runs_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#ifdef DESCEND_HAVE_AVX512
bool runs_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd") && runs_avx2();
}
#endif

const KernelTable* chosen_table() {
  const char* forced = std::getenv("DESCEND_ISA");
  if (forced == nullptr || *forced == '\0') return available_tables().front();
  for (const KernelTable* table : available_tables()) {
    if (std::string(table->isa) == forced) return table;
  }
  throw core::invalid("DESCEND_ISA is '", forced,
                      "', which this build or processor does not have; available: ",
                      core::listed(available_isas()), ".");
}

}  // namespace

std::vector<const KernelTable*> available_tables() {
  std::vector<const KernelTable*> tables;
#ifdef DESCEND_HAVE_AVX512
  if (runs_avx512()) tables.push_back(&avx512::kTable);
#endif
#ifdef DESCEND_HAVE_AVX2
  if (runs_avx2()) tables.push_back(&avx2::kTable);
#endif
#ifdef DESCEND_HAVE_NEON
  tables.push_back(&neon::kTable);
#endif
  tables.push_back(&portable::kTable);
  return tables;
}

const KernelTable& kernel_table() {
  static const KernelTable* const table = chosen_table();
  return *table;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const KernelTable* table : available_tables()) names.emplace_back(table->isa);
  return names;
}

}  // namespace descend::kernels
