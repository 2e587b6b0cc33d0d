// The bounds that spare a run the trial of its updates: with a penalty too, they hold for long.
#include "engine/growth_bound.hpp"

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "check.hpp"
#include "descend/optimizer.hpp"
#include "engine/update.hpp"

namespace engine = descend::engine;

namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

void test_the_penalty_bounds_its_gradient() {
  for (const double l2 : {0.0, 1e-30, 5e-7, 0.3, 1e10}) {
    for (const double l1 : {0.0, 1e-3, 7.0}) {
      const engine::Penalty penalty = {l2, l1};
      for (const double w : {0.0, 1e-20, 0.25, -3.0, 1e15}) {
        const double sum = 0.5 * l2 * w * w + l1 * std::abs(w);
        CHECK(penalty.gradient_bound(sum) >= l2 * std::abs(w) + l1);
      }
    }
  }
}

// As of scikit-learn's defaults: no step of such a run has to be tried.
template <class Optimizer>
void test_a_penalised_run_stays_within_its_bounds(const Optimizer& optimizer) {
  const engine::Penalty penalty = {1e-4 / 200, 0.0};
  const double learning_rate = *optimizer.learning_rate.constant();
  const double gradient = 1e6, penalty_sum = 1.0;
  for (const descend::DType dtype : {descend::DType::float32, descend::DType::float64}) {
    engine::GrowthBound growth(optimizer, dtype);
    growth.parameters_within(1e4);
    for (std::uint64_t step = 1; step <= 20000; ++step) {
      if (!growth.take_step(learning_rate, gradient + penalty.gradient_bound(penalty_sum), kNone,
                            step)) {
        CHECK(step == 0);
        return;
      }
    }
  }
}

void test_the_highest_rate_so_far_counts() {
  engine::GrowthBound growth(descend::SGD{0.01, 0.9}, descend::DType::float32);
  growth.parameters_within(1.0);
  CHECK(growth.take_step(1e-3, 1e17, kNone, 1));
  CHECK(!growth.take_step(1e21, 1e17, kNone, 2));
  CHECK(!growth.take_step(0.0, 0.0, kNone, 3));  // momentum goes on
}

void test_a_state_that_was_set_moves_the_parameters() {
  engine::GrowthBound growth(descend::SGD{0.01, 0.9}, descend::DType::float32);
  growth.parameters_within(1.0);
  growth.state_within(1e15);
  CHECK(growth.take_step(1e-3, 1.0, kNone, 1));
  growth.state_within(1e38);
  CHECK(!growth.take_step(1e-3, 1.0, kNone, 2));
}

void test_a_clipped_gradient_is_what_counts() {
  engine::GrowthBound growth(descend::SGD{1e6, 0.9}, descend::DType::float32);
  growth.parameters_within(1.0);
  for (std::uint64_t step = 1; step <= 1000; ++step) {
    CHECK(growth.take_step(1e6, 1e30, 1.0, step));
  }
  // Beyond the range there is nothing to clip: the sums on the way overflow.
  CHECK(!growth.take_step(1e6, 1e38, 1.0, 1001));
  CHECK(!growth.take_step(1e6, std::nan(""), 1.0, 1001));
  CHECK(growth.take_step(1e6, 1e30, 1.0, 1001));
}

void test_a_gradient_beyond_the_range_is_no_safe_step() {
  engine::GrowthBound growth(descend::SGD{}, descend::DType::float32);
  growth.parameters_within(1.0);
  CHECK(growth.take_step(0.01, 1.0, kNone, 1));
  CHECK(!growth.take_step(0.01, 1e38, kNone, 2));
  CHECK(!growth.take_step(0.01, std::nan(""), kNone, 3));
}

}  // namespace

int main() {
  test_the_penalty_bounds_its_gradient();
  test_a_penalised_run_stays_within_its_bounds(descend::Adam{});
  test_a_penalised_run_stays_within_its_bounds(descend::AdaGrad{});
  test_a_penalised_run_stays_within_its_bounds(descend::RMSProp{});
  test_a_penalised_run_stays_within_its_bounds(descend::SGD{});
  test_a_penalised_run_stays_within_its_bounds(descend::AdaDelta{});
  test_a_penalised_run_stays_within_its_bounds(descend::AMSGrad{});
  test_a_penalised_run_stays_within_its_bounds(descend::Adamax{});
  test_a_penalised_run_stays_within_its_bounds(descend::NAdam{});
  test_a_penalised_run_stays_within_its_bounds(descend::Lion{});
  test_the_highest_rate_so_far_counts();
  test_a_state_that_was_set_moves_the_parameters();
  test_a_clipped_gradient_is_what_counts();
  test_a_gradient_beyond_the_range_is_no_safe_step();
  return check_result();
}
