#include "core/kept_tuner.hpp"

#include <map>
#include <mutex>
#include <new>

namespace descend::core {

namespace {

// Programs train a few networks over and over, or ever others, which are not worth keeping.
constexpr std::size_t kMostKept = 64;

struct Kept {
  std::mutex mutex;
  std::map<TunedWork, TeamTuner> tuners;
};

// Never destroyed: a trainer may outlive all static objects.
Kept& kept() {
  static Kept& kept = *new Kept;
  return kept;
}

// A fork may leave the mutex locked for ever, so nobody waits for it.
TeamTuner taken_up(const TunedWork& work) {
  const std::unique_lock lock(kept().mutex, std::try_to_lock);
  if (lock) {
    const auto found = kept().tuners.find(work);
    if (found != kept().tuners.end()) return found->second;
  }
  return TeamTuner(work.most_workers, true);
}

}  // namespace

KeptTuner::KeptTuner(const TunedWork& work, bool tunes)
    : work_(work), tunes_(tunes), tuner_(tunes ? taken_up(work) : TeamTuner(work.most_workers)) {}

KeptTuner::~KeptTuner() {
  if (!tunes_) return;
  const std::unique_lock lock(kept().mutex, std::try_to_lock);
  if (!lock) return;
  if (kept().tuners.size() >= kMostKept) kept().tuners.clear();
  try {
    kept().tuners.insert_or_assign(work_, tuner_);
  } catch (const std::bad_alloc&) {
    // The next one tries anew.
  }
}

}  // namespace descend::core
