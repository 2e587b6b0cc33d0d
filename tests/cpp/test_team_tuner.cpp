// The tuner of teams, with a clock of its own: a piece of work takes what a model says.
#include "core/team_tuner.hpp"

#include <cstddef>
#include <functional>
#include <map>

#include "check.hpp"

namespace {

using descend::core::TeamTuner;
using SecondsOfPiece = std::function<double(int workers)>;

// Works for so many seconds. Returns the seconds that each number of workers got.
std::map<int, double> work(TeamTuner& tuner, double duration, const SecondsOfPiece& seconds_of) {
  std::map<int, double> spent;
  for (double now = 0.0; now < duration;) {
    const int workers = tuner.workers();
    const std::size_t pieces = tuner.pieces();
    const double seconds = seconds_of(workers) * static_cast<double>(pieces);
    spent[workers] += seconds;
    now += seconds;
    tuner.record(pieces, seconds);
  }
  return spent;
}

double share(const std::map<int, double>& spent, int workers) {
  double all = 0.0;
  for (const auto& entry : spent) all += entry.second;
  const auto found = spent.find(workers);
  return found == spent.end() ? 0.0 : found->second / all;
}

void settles_on_the_fastest() {
  const double piece = 2e-5;
  for (const int fastest : {1, 2, 4, 8}) {
    TeamTuner tuner(8, true);
    const auto spent = work(tuner, 30.0, [&](int workers) {
      const double ratio = static_cast<double>(workers) / fastest;
      return piece * (ratio < 1.0 ? 1.0 / ratio : ratio);
    });
    CHECK(share(spent, fastest) > 0.9);
  }
}

void follows_a_change() {
  TeamTuner tuner(2, true);
  const SecondsOfPiece near = [](int workers) { return workers == 2 ? 6e-5 : 1e-4; };
  const SecondsOfPiece far = [](int workers) { return workers == 2 ? 3e-4 : 1e-4; };
  CHECK(share(work(tuner, 20.0, near), 2) > 0.95);
  CHECK(share(work(tuner, 20.0, far), 1) > 0.9);
  CHECK(share(work(tuner, 20.0, near), 2) > 0.9);
}

void tries_cost_little() {
  // One thread takes a hundred times as long here, and is tried all the same.
  TeamTuner tuner(2, true);
  const auto spent = work(tuner, 60.0, [](int workers) { return workers == 2 ? 1e-4 : 1e-2; });
  CHECK(share(spent, 1) > 0.0);
  CHECK(share(spent, 1) < 0.05);
}

void does_not_tune_where_it_is_not_asked_to() {
  TeamTuner tuner(3, false);
  CHECK(tuner.workers() == 3);
  CHECK(tuner.pieces() == static_cast<std::size_t>(-1));
  tuner.record(10, 5.0);
  CHECK(tuner.workers() == 3);
}

void waits_through_a_slow_beginning() {
  // The first pieces wake threads and fetch memory; the choice is not made by them.
  TeamTuner tuner(2, true);
  int pieces = 0;
  work(tuner, 1.0, [&](int workers) {
    const double warm = workers == 2 ? 6e-5 : 1e-4;
    return ++pieces == 1 ? 50 * warm : warm;
  });
  CHECK(tuner.workers() == 2);
}

}  // namespace

int main() {
  settles_on_the_fastest();
  follows_a_change();
  tries_cost_little();
  does_not_tune_where_it_is_not_asked_to();
  waits_through_a_slow_beginning();
  return check_result();
}
