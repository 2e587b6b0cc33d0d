#include "core/thread_team.hpp"

#ifdef DESCEND_HAVE_OPENMP
#include <omp.h>
#endif
#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#include "core/checks.hpp"
#include "core/cpu_limits.hpp"
#include "core/float_environment.hpp"

namespace descend::core {

namespace {

std::atomic<int> forks{0};

// libgomp's pool is gone in a forked child, and a region there would wait for it for ever.
[[maybe_unused]] const int kForkHandler =
    pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#ifdef DESCEND_HAVE_OPENMP
// How many of `threads` threads to ask of libgomp, which ends the process where it cannot start
// one: where some do not start in a trial, half of those that do. One trial for each larger team
// of a calling thread, whose threads libgomp keeps.
int startable(int threads) {
  thread_local int known_to_start = 1;
  if (threads <= known_to_start) return threads;
  std::thread tried[kMostThreads];
  int started = 1;
  {
    std::mutex gate;  // all of them at once: each waits until the last has started
    std::unique_lock closed(gate);
    try {
      for (; started < threads; ++started) {
        tried[started] = std::thread([&gate] { const std::lock_guard passing(gate); });
      }
    } catch (const std::exception&) {  // no memory, or a limit of the system
    }
    closed.unlock();
    for (int i = 1; i < started; ++i) tried[i].join();
  }
  known_to_start = std::max(known_to_start, started == threads ? threads : (started + 1) / 2);
  return std::min(threads, known_to_start);
}
#endif

}  // namespace

void Barrier::wait(int count) {
  const unsigned round = round_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  // Spin about 10 us, then give the processor away: the others may need it to arrive.
  constexpr int kSpins = 400;
  for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
    if (spin < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void run_team(int threads, void (*job)(void* context, const Worker& worker), void* context) {
  Barrier barrier;
#ifdef DESCEND_HAVE_OPENMP
  const int workers = threads > 1 && forks_before_this_process() == 0 ? startable(threads) : 1;
  if (workers > 1) {
#pragma omp parallel num_threads(workers)
    {
      const FlushToZero flush;
      job(context, Worker{omp_get_thread_num(), omp_get_num_threads(), &barrier});
    }
    return;
  }
#else
  (void)threads;
#endif
  const FlushToZero flush;
  job(context, Worker{0, 1, &barrier});
}

void check_threads(const char* where, int threads) {
  if (threads < 0 || threads > kMostThreads) {
    throw invalid(where, ": threads must be in 1 to ", kMostThreads,
                  ", or left out to let the work decide, got ", threads, ".");
  }
}

int team_size(int requested, double flops) {
  if (requested > 0) {
    const auto cap = parse_descend_threads(std::getenv("DESCEND_NUM_THREADS"));
    return std::min(requested, cap.value_or(requested));
  }
  // Below this a second thread costs more in barriers than it takes over.
  constexpr double kFlopsPerThread = 1e6;
  const double worth = flops / kFlopsPerThread;
  if (worth < 2.0) return 1;
  return static_cast<int>(std::min<double>(worth, std::min(usable_processors(), kMostThreads)));
}

int forks_before_this_process() { return forks.load(); }

bool has_openmp() {
#ifdef DESCEND_HAVE_OPENMP
  return true;
#else
  return false;
#endif
}

}  // namespace descend::core
