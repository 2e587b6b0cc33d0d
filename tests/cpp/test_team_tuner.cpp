// The tuner of teams, with a clock of its own: a piece of work takes what a model says.
#include "core/team_tuner.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <vector>

#include "check.hpp"
#include "core/kept_tuner.hpp"
#include "core/thread_team.hpp"
#include "descend/network.hpp"

namespace {

using descend::core::KeptTuner;
using descend::core::TeamTuner;
using descend::core::TunedPiece;
using descend::core::TunedWork;
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
    tuner.record(static_cast<double>(pieces), seconds);
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

void sees_soon_that_a_larger_team_is_faster() {
  TeamTuner tuner(2, true);
  const auto far = [](int workers) { return workers == 2 ? 2e-4 : 1e-4; };
  CHECK(share(work(tuner, 20.0, far), 1) > 0.9);
  work(tuner, 0.3, [](int workers) { return workers == 2 ? 6e-5 : 1e-4; });
  CHECK(tuner.workers() == 2);
}

void gives_way_soon_to_a_smaller_team() {
  TeamTuner tuner(2, true);
  CHECK(share(work(tuner, 20.0, [](int workers) { return workers == 2 ? 6e-5 : 1e-4; }), 2) > 0.95);
  const auto far = work(tuner, 0.1, [](int workers) { return workers == 2 ? 1.2e-4 : 1e-4; });
  CHECK(far.at(1) > 0.06);
  CHECK(far.at(2) < 0.04);
}

// Two threads share a core until the system has seen them both at work for a while.
void gives_the_system_time_to_move_threads() {
  TeamTuner tuner(2, true);
  double together = 0.0;
  const auto spent = work(tuner, 20.0, [&](int workers) {
    if (workers == 1) together = 0.0;
    const double piece = workers == 1 ? 1e-4 : together < 0.025 ? 1.08e-4 : 6e-5;
    if (workers == 2) together += 1e-3;  // a stretch at least
    return piece;
  });
  CHECK(share(spent, 2) > 0.8);
}

void climbs_from_team_to_team() {
  TeamTuner tuner(8, true);
  CHECK(share(work(tuner, 10.0, [](int workers) { return 2e-5 * workers; }), 1) > 0.9);
  work(tuner, 1.0, [](int workers) { return 2e-5 / workers; });
  CHECK(tuner.workers() == 8);
}

void tries_cost_little() {
  // One thread takes a hundred times as long here, and is tried all the same.
  TeamTuner tuner(2, true);
  const auto spent = work(tuner, 60.0, [](int workers) { return workers == 2 ? 1e-4 : 1e-2; });
  CHECK(share(spent, 1) > 0.0);
  CHECK(share(spent, 1) < 0.05);
  TeamTuner of_far_threads(2, true);
  const auto far =
      work(of_far_threads, 60.0, [](int workers) { return workers == 2 ? 5e-4 : 1e-4; });
  CHECK(share(far, 2) > 0.0);
  CHECK(share(far, 2) < 0.05);
}

void a_clear_choice_is_made_soon() {
  TeamTuner tuner(2, true);
  int of_the_smaller = 0;
  work(tuner, 0.02, [&](int workers) {
    of_the_smaller += workers == 1 ? 1 : 0;
    return workers == 2 ? 6e-4 : 1e-3;
  });
  CHECK(of_the_smaller == 3);
  CHECK(tuner.workers() == 2);
}

void does_not_tune_where_it_is_not_asked_to() {
  TeamTuner tuner(3, false);
  CHECK(tuner.workers() == 3);
  CHECK(tuner.pieces() == static_cast<std::size_t>(-1));
  tuner.record(10.0, 5.0);
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

// Epochs of eight pieces and a tenth of one, which ends a stretch, with an overhead of each stretch
// and every ninth stretch disturbed.
void settles_where_epochs_are_short() {
  TeamTuner tuner(2, true);
  std::map<int, double> spent;
  int stretches = 0;
  for (double now = 0.0; now < 30.0;) {
    for (double left = 8.1; left > 0.05;) {
      const int workers = tuner.workers();
      const double pieces = std::min(left, static_cast<double>(tuner.pieces()));
      const double overhead = ++stretches % 9 == 0 ? 5e-4 : 5e-6;
      const double seconds = pieces * (workers == 2 ? 8e-5 : 1.4e-4) + overhead;
      spent[workers] += seconds;
      now += seconds;
      left -= pieces;
      tuner.record(pieces, seconds);
    }
  }
  CHECK(share(spent, 2) > 0.95);
}

void a_tuner_goes_on_where_the_last_one_of_the_same_work_ended() {
  const SecondsOfPiece seconds = [](int workers) { return workers == 2 ? 3e-4 : 1e-4; };
  constexpr auto kStep = TunedPiece::step, kGradient = TunedPiece::gradient;
  const TunedWork ours{kStep, 2, 200, 7510, 8}, other{kStep, 2, 100, 7510, 8};
  const TunedWork gradient{kGradient, 2, 200, 7510, 8};
  {
    KeptTuner first(ours, true);
    work(first.tuner(), 0.3, seconds);
    CHECK(first.tuner().workers() == 1);
  }
  KeptTuner second(ours, true), another(other, true), of_gradient(gradient, true),
      fixed(ours, false);
  CHECK(second.tuner().workers() == 1);
  CHECK(another.tuner().workers() == 2);
  CHECK(of_gradient.tuner().workers() == 2);
  CHECK(fixed.tuner().workers() == 2);
}

// Blocks of 1024 rows are pieces: a call has a stretch of them after the other.
void the_gradient_of_a_network_tries_teams() {
  constexpr std::size_t kRows = 8 * 1024 + 7, kBlock = 1024, kInputs = 20;
  std::vector<float> x(kRows * kInputs), y(kRows);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 17.0F;
  for (std::size_t i = 0; i < kRows; ++i) y[i] = static_cast<float>(i % 5);
  const descend::Network network({kInputs, {{30, descend::Activation::tanh}, {1}}}, 0);
  const std::size_t count = network.parameter_count();
  const auto gradient_with = [&](int threads) {
    std::vector<float> gradient(count);
    const double loss = network.loss_and_gradient(
        descend::ConstMatrixView(x.data(), kRows, kInputs),
        descend::ConstMatrixView(y.data(), kRows, 1), descend::Loss::squared_error,
        {gradient.data(), count}, {}, threads);
    CHECK(std::isfinite(loss));
    return gradient;
  };
  const std::vector<float> of_one = gradient_with(1);
  for (int i = 0; i < 50; ++i) CHECK(gradient_with(0) == of_one);

  const int workers = descend::core::team_size(0, descend::core::step_flops(kBlock, count));
  KeptTuner kept({TunedPiece::gradient, workers, kBlock, count, sizeof(float)}, true);
  KeptTuner unused({TunedPiece::gradient, workers, kBlock + 1, count, sizeof(float)}, true);
  // Only a tuner of several workers that has seen work knows how long a piece takes.
  if (workers > 1) CHECK(kept.tuner().pieces() > unused.tuner().pieces());
}

}  // namespace

int main() {
  settles_on_the_fastest();
  follows_a_change();
  sees_soon_that_a_larger_team_is_faster();
  gives_way_soon_to_a_smaller_team();
  gives_the_system_time_to_move_threads();
  climbs_from_team_to_team();
  tries_cost_little();
  a_clear_choice_is_made_soon();
  does_not_tune_where_it_is_not_asked_to();
  waits_through_a_slow_beginning();
  settles_where_epochs_are_short();
  a_tuner_goes_on_where_the_last_one_of_the_same_work_ended();
  the_gradient_of_a_network_tries_teams();
  return check_result();
}
