// How the benchmarks take time: many calls between two looks at the clock, the fastest of some
// rounds, which is what the machine does when nothing disturbs it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <thread>
#include <vector>

namespace benchmarks {

constexpr int kRounds = 7;
constexpr double kShortestRound = 0.01;  // seconds

/// Seconds of one call of work(thread) where `threads` threads make such calls at once.
template <class Work>
double seconds_per_call(int threads, const Work& work) {
  const auto round = [&](std::size_t calls) {
    const auto repeat = [&](int thread) {
      for (std::size_t i = 0; i < calls; ++i) work(thread);
    };
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> others;
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(repeat, thread);
    repeat(0);
    for (std::thread& other : others) other.join();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::size_t calls = 1;
  while (round(calls) < kShortestRound) calls *= 2;
  double fastest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRounds; ++i) fastest = std::min(fastest, round(calls));
  return fastest / static_cast<double>(calls);
}

template <class Work>
double seconds_per_call(const Work& work) {
  return seconds_per_call(1, [&](int) { work(); });
}

}  // namespace benchmarks
