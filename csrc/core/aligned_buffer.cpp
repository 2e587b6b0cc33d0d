#include "core/aligned_buffer.hpp"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdint>

namespace descend::core {

namespace {

constexpr std::align_val_t kAlignment{kBufferAlignment};

// Of a large buffer's pages the processor finds few in its address cache unless they are large too:
// with 2 MiB pages a step of a 2048-2048-2048-2048 network took 5 % less.
void ask_for_large_pages(void* buffer, std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr std::uintptr_t kLargePage = std::uintptr_t{2} << 20, kPage = std::uintptr_t{4} << 10;
  if (bytes < 2 * kLargePage) return;
  const auto begin = (reinterpret_cast<std::uintptr_t>(buffer) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(buffer) + bytes) / kPage * kPage;
  // Where the system refuses, small pages do.
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)buffer, (void)bytes;
#endif
}

}  // namespace

void* allocate_buffer(std::size_t bytes) {
  void* const buffer = ::operator new(bytes, kAlignment);
  ask_for_large_pages(buffer, bytes);
  return buffer;
}

void free_buffer(void* buffer) noexcept { ::operator delete(buffer, kAlignment); }

}  // namespace descend::core
