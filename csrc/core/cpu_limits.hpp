// How many processors this process may keep busy: affinity, cgroup quota, environment.
#pragma once

#include <optional>
#include <string>

namespace descend::core {

/// The least of the affinity mask, the CPU quota of the cgroups, OMP_NUM_THREADS,
/// OMP_THREAD_LIMIT and DESCEND_NUM_THREADS; at least 1. The affinity is the calling thread's at
/// this moment; the rest is read once. Throws std::invalid_argument where DESCEND_NUM_THREADS is
/// neither empty nor a positive integer.
int usable_processors();

// The parts, each from its text; an empty optional is no limit.

/// "max 100000" or "150000 100000" of cgroup v2: quota and period in microseconds, rounded up to
/// whole processors.
std::optional<int> parse_cpu_max(const std::string& text);

/// cpu.cfs_quota_us (-1: none) and cpu.cfs_period_us of cgroup v1.
std::optional<int> parse_cfs_quota(const std::string& quota, const std::string& period);

/// The least quota on the way from the process's cgroups, as /proc/self/cgroup (`membership`)
/// tells them, up to `root`, where the hierarchies are mounted.
std::optional<int> cgroup_processors(const std::string& membership, const std::string& root);

/// The first number of OMP_NUM_THREADS or OMP_THREAD_LIMIT (null: unset). What is not valid is
/// no limit, since it is OpenMP's to complain about.
std::optional<int> parse_omp_threads(const char* value);

/// DESCEND_NUM_THREADS (null: unset). Throws std::invalid_argument.
std::optional<int> parse_descend_threads(const char* value);

}  // namespace descend::core
