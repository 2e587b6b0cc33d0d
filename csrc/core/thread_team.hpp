// A team of threads that runs one job: every worker runs it whole and takes its share of the work.
// Subnormal numbers count as zero in each worker while it works.
#pragma once

#include <atomic>
#include <cstddef>

namespace descend::core {

/// Where the workers of one team wait for each other.
class Barrier {
 public:
  /// Returns when `count` workers have come.
  void wait(int count);

 private:
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> round_{0};
};

/// Rows or elements [begin, end).
struct Share {
  std::size_t begin;
  std::size_t end;
  std::size_t size() const { return end - begin; }
};

/// Part number `index` of `count` parts of `size` things; the parts differ by one at most. Those of
/// a multiple of `count` lie within them.
inline Share share_of(std::size_t size, std::size_t index, std::size_t count) {
  const std::size_t part = size / count, rest = size % count;
  return {index * part + index * rest / count, (index + 1) * part + (index + 1) * rest / count};
}

struct Worker {
  int index;
  int count;
  Barrier* barrier;

  void wait() const {
    if (count > 1) barrier->wait(count);
  }
  /// This worker's part of `size` things.
  Share share(std::size_t size) const {
    return share_of(size, static_cast<std::size_t>(index), static_cast<std::size_t>(count));
  }
};

/// Runs job(context, worker) in up to `threads` threads, at most kMostThreads, the caller's among
/// them as worker 0; in fewer where the system lets no more start.
/// In a process forked from one that had threads it runs in the caller's alone, since OpenMP's
/// threads do not survive the fork. The job must not throw.
void run_team(int threads, void (*job)(void* context, const Worker& worker), void* context);

template <class Job>
void run_team(int threads, Job&& job) {
  run_team(
      threads, [](void* context, const Worker& worker) { (*static_cast<Job*>(context))(worker); },
      &job);
}

/// No call asks for more threads than this.
constexpr int kMostThreads = 256;

/// Throws std::invalid_argument, beginning with `where`, unless `threads` is 0, which lets the work
/// decide, or a number up to kMostThreads.
void check_threads(const char* where, int threads);

/// Floating-point operations of a training step: of each parameter and row, a product and a sum
/// in the forward pass and for both gradients.
inline double step_flops(std::size_t rows, std::size_t parameters) {
  return 6.0 * static_cast<double>(rows) * static_cast<double>(parameters);
}

/// What a whole training step is worth in such operations: its update takes as long as 50 of them
/// for a parameter.
inline double step_work(std::size_t rows, std::size_t parameters) {
  return step_flops(rows, parameters) + 50.0 * static_cast<double>(parameters);
}

/// How many threads `flops` floating-point operations between two barriers are worth:
/// `requested` where it is positive, else at most usable_processors(). DESCEND_NUM_THREADS caps
/// both.
int team_size(int requested, double flops);

/// How many forks led to this process since it, or a parent, loaded this library.
int forks_before_this_process();

/// Whether this build runs more than one thread at all.
bool has_openmp();

}  // namespace descend::core
