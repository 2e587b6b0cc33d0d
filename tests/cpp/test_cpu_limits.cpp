// The limits on processors: their texts, the walk up the cgroups, the environment.
#include "core/cpu_limits.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include "check.hpp"

namespace core = descend::core;
namespace fs = std::filesystem;

namespace {

using Limit = std::optional<int>;

constexpr Limit kNone{};
constexpr int kMost = std::numeric_limits<int>::max();

const fs::path kRoot =
    fs::temp_directory_path() / ("descend_test_cgroup_" + std::to_string(getpid()));

void write_file(const std::string& path, const std::string& text) {
  fs::create_directories((kRoot / path).parent_path());
  std::ofstream(kRoot / path) << text;
}

Limit cgroup_limit(const std::string& membership) {
  return core::cgroup_processors(membership, kRoot.string());
}

void test_cpu_max_is_rounded_up_to_whole_processors() {
  CHECK(core::parse_cpu_max("150000 100000\n") == Limit(2));
  CHECK(core::parse_cpu_max("200000 100000\n") == Limit(2));
  CHECK(core::parse_cpu_max("1000 100000") == Limit(1));
  CHECK(core::parse_cpu_max("9223372036854775807 1") == Limit(kMost));
  for (const char* text : {"max 100000\n", "", "\n", "100000", "x y", "-1 100000", "100000 0"}) {
    CHECK(core::parse_cpu_max(text) == kNone);
  }
}

void test_cfs_quota_is_rounded_up_to_whole_processors() {
  CHECK(core::parse_cfs_quota("250000\n", "100000\n") == Limit(3));
  CHECK(core::parse_cfs_quota("-1\n", "100000\n") == kNone);
  CHECK(core::parse_cfs_quota("", "") == kNone);
  CHECK(core::parse_cfs_quota("100000", "0") == kNone);
}

void test_the_least_quota_on_the_way_up_counts() {
  write_file("pod/box/cpu.max", "400000 100000\n");
  CHECK(cgroup_limit("0::/pod/box\n") == Limit(4));
  write_file("pod/cpu.max", "300000 100000\n");
  CHECK(cgroup_limit("0::/pod/box\n") == Limit(3));
  CHECK(cgroup_limit("0::/elsewhere\n") == kNone);
  write_file("cpu.max", "800000 100000\n");
  CHECK(cgroup_limit("0::/pod/box\n") == Limit(3));
  CHECK(cgroup_limit("0::/\n") == Limit(8));
  CHECK(cgroup_limit("0::/outside/this/namespace\n") == Limit(8));
}

void test_version_1_is_read_under_its_controllers() {
  write_file("cpu,cpuacct/job/cpu.cfs_quota_us", "150000\n");
  write_file("cpu,cpuacct/job/cpu.cfs_period_us", "50000\n");
  CHECK(cgroup_limit("9:pids:/job\n4:cpu,cpuacct:/job\n") == Limit(3));
  write_file("cpu/cpu.cfs_quota_us", "100000\n");
  write_file("cpu/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_limit("4:cpu,cpuacct:/job\n") == Limit(1));
  CHECK(cgroup_limit("3:cpuset:/job\n") == kNone);
}

void test_a_membership_without_sense_is_no_limit() {
  for (const char* text : {"", "\n", "0", "0:", "0::", "::::", "4:cpu"}) {
    CHECK(core::cgroup_processors(text, "/no/such/folder") == kNone);
  }
}

void test_the_first_of_omp_num_threads_counts() {
  CHECK(core::parse_omp_threads("4,3,2") == Limit(4));
  CHECK(core::parse_omp_threads(" 8 ") == Limit(8));
  for (const char* value : {"", "0", "-2", "four", "3x", ",4"}) {
    CHECK(core::parse_omp_threads(value) == kNone);
  }
  CHECK(core::parse_omp_threads(nullptr) == kNone);
}

void test_descend_num_threads_is_a_positive_integer() {
  CHECK(core::parse_descend_threads("6") == Limit(6));
  CHECK(core::parse_descend_threads("99999999999999999999") == Limit(kMost));
  CHECK(core::parse_descend_threads("") == kNone);
  CHECK(core::parse_descend_threads(nullptr) == kNone);
  for (const char* value : {"0", "-1", "-99999999999999999999", "two", "2.5", "2,4", " "}) {
    CHECK_THROWS(core::parse_descend_threads(value), std::invalid_argument,
                 "DESCEND_NUM_THREADS is '" + std::string(value) + "'");
  }
}

void test_the_environment_bounds_the_processors() {
  setenv("DESCEND_NUM_THREADS", "none", 1);
  CHECK_THROWS(core::usable_processors(), std::invalid_argument, "'none'");
  setenv("DESCEND_NUM_THREADS", "1", 1);
  CHECK(core::usable_processors() == 1);
}

}  // namespace

int main() {
  test_cpu_max_is_rounded_up_to_whole_processors();
  test_cfs_quota_is_rounded_up_to_whole_processors();
  test_the_least_quota_on_the_way_up_counts();
  test_version_1_is_read_under_its_controllers();
  test_a_membership_without_sense_is_no_limit();
  test_the_first_of_omp_num_threads_counts();
  test_descend_num_threads_is_a_positive_integer();
  test_the_environment_bounds_the_processors();
  fs::remove_all(kRoot);
  return check_result();
}
