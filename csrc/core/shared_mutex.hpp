// A mutex for many readers or one writer that is free in a forked child: a thread that held it in
// the parent does not exist there, and would never give it back.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>
#include <shared_mutex>

#include "core/thread_team.hpp"

namespace descend::core {

class SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock() {
    current().lock();
    ++writers_;
  }
  void unlock() { mutex_.unlock(); }
  void lock_shared() { current().lock_shared(); }
  void unlock_shared() { mutex_.unlock_shared(); }

  /// How many writers have held it, the caller, who holds it, among them.
  std::size_t writers() const { return writers_; }

 private:
  // The first to lock in a child makes the mutex anew.
  std::shared_mutex& current() {
    int made_at = forks_.load();
    const int now = forks_before_this_process();
    if (made_at != now && forks_.compare_exchange_strong(made_at, now)) {
      new (&mutex_) std::shared_mutex;
    }
    return mutex_;
  }

  std::shared_mutex mutex_;
  std::size_t writers_ = 0;
  std::atomic<int> forks_{forks_before_this_process()};
};

}  // namespace descend::core
