#include "core/cpu_limits.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string_view>
#include <thread>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "core/checks.hpp"
#include "core/utf8.hpp"

namespace descend::core {

namespace {

constexpr const char* kBlank = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

/// A whole number of at least 1; a very large one counts as the largest.
template <class Integer>
std::optional<Integer> parse_positive(std::string_view text) {
  text = trimmed(text);
  Integer number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return {};
  if (error == std::errc::result_out_of_range && text[0] != '-') {
    return std::numeric_limits<Integer>::max();
  }
  if (number < 1) return {};
  return number;
}

/// The lesser of two limits.
std::optional<int> least(std::optional<int> a, std::optional<int> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

/// The text of a file; empty where it cannot be read.
std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The least limit that `limit_of(folder)` gives for mount + path and each folder above it, down
/// to the mount itself.
template <class LimitOf>
std::optional<int> least_upwards(const std::string& mount, std::string path,
                                 const LimitOf& limit_of) {
  std::optional<int> limit = limit_of(mount);
  while (path.size() > 1 && path.find_last_of('/') != std::string::npos) {
    limit = least(limit, limit_of(mount + path));
    path.erase(path.find_last_of('/'));
  }
  return limit;
}

std::optional<int> limit_v2(const std::string& folder) {
  return parse_cpu_max(contents(folder + "/cpu.max"));
}

std::optional<int> limit_v1(const std::string& folder) {
  return parse_cfs_quota(contents(folder + "/cpu.cfs_quota_us"),
                         contents(folder + "/cpu.cfs_period_us"));
}

bool contains_item(const std::string& list, const std::string& item) {
  return ("," + list + ",").find("," + item + ",") != std::string::npos;
}

int affinity_processors() {
#ifdef SYS_sched_getaffinity
  // The system call itself: cpu_set_t of the C library ends at 1024 processors.
  unsigned long mask[128];
  const long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int processors = 0;
  for (long i = 0; i < bytes / static_cast<long>(sizeof mask[0]); ++i) {
    processors += __builtin_popcountl(mask[i]);
  }
  if (processors > 0) return processors;
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::optional<int> fixed_limit() {
  std::optional<int> limit = parse_descend_threads(std::getenv("DESCEND_NUM_THREADS"));
  limit = least(limit, parse_omp_threads(std::getenv("OMP_NUM_THREADS")));
  limit = least(limit, parse_omp_threads(std::getenv("OMP_THREAD_LIMIT")));
#ifdef __linux__
  limit = least(limit, cgroup_processors(contents("/proc/self/cgroup"), "/sys/fs/cgroup"));
#endif
  return limit;
}

}  // namespace

std::optional<int> parse_cfs_quota(const std::string& quota, const std::string& period) {
  const auto quota_us = parse_positive<long long>(quota);
  const auto period_us = parse_positive<long long>(period);
  if (!quota_us || !period_us) return {};
  const long long processors = (*quota_us - 1) / *period_us + 1;
  return static_cast<int>(std::min<long long>(processors, std::numeric_limits<int>::max()));
}

std::optional<int> parse_cpu_max(const std::string& text) {
  const std::string_view line = trimmed(text);
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return {};
  return parse_cfs_quota(std::string(line.substr(0, space)), std::string(line.substr(space)));
}

// A line is "0::/path" in v2 and "4:cpu,cpuacct:/path" in v1, where the hierarchy is mounted
// under its list of controllers and often under each of them.
std::optional<int> cgroup_processors(const std::string& membership, const std::string& root) {
  std::optional<int> limit;
  std::istringstream lines(membership);
  std::string number, controllers, path;
  while (std::getline(lines, number, ':') && std::getline(lines, controllers, ':') &&
         std::getline(lines, path)) {
    if (controllers.empty()) {
      limit = least(limit, least_upwards(root, path, limit_v2));
    } else if (contains_item(controllers, "cpu")) {
      limit = least(limit, least_upwards(root + "/" + controllers, path, limit_v1));
      limit = least(limit, least_upwards(root + "/cpu", path, limit_v1));
    }
  }
  return limit;
}

std::optional<int> parse_omp_threads(const char* value) {
  const std::string_view list = value ? value : "";
  return parse_positive<int>(list.substr(0, list.find(',')));
}

std::optional<int> parse_descend_threads(const char* value) {
  if (value == nullptr || *value == '\0') return {};
  const std::optional<int> threads = parse_positive<int>(value);
  if (!threads) {
    throw invalid("DESCEND_NUM_THREADS is ", quoted(value), "; expected a positive integer.");
  }
  return threads;
}

int usable_processors() {
  static const std::optional<int> limit = fixed_limit();
  return *least(limit, affinity_processors());
}

}  // namespace descend::core
