// update(): one step on the caller's arrays, and its errors.
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"

namespace ds = descend;

namespace {

void test_sgd_subtracts_the_scaled_gradient() {
  ds::SGD sgd;
  sgd.learning_rate = 0.5;
  std::vector<double> theta = {1, 2, 3};
  const std::vector<double> gradient = {2, -4, 0};
  ds::update(sgd, 1, {theta.data(), 3}, {gradient.data(), 3}, {});
  CHECK((theta == std::vector<double>{0, 4, 3}));
}

void test_the_first_adam_step_is_the_learning_rate() {
  ds::Adam adam;
  adam.learning_rate = 0.25;
  std::vector<double> theta = {1, 1};
  const std::vector<double> gradient = {1e-3, -50};
  std::vector<double> m(2);
  std::vector<double> v(2);
  ds::update(adam, 1, {theta.data(), 2}, {gradient.data(), 2}, {{m.data(), 2}, {v.data(), 2}});
  CHECK(std::abs(theta[0] - 0.75) < 1e-5);
  CHECK(std::abs(theta[1] - 1.25) < 1e-5);
  CHECK(m[1] == (1 - adam.beta1) * -50);
}

void test_every_optimizer_descends_on_a_parabola() {
#define DESCEND_ROW(name) ds::name{},
  const std::vector<ds::Optimizer> optimizers = {DESCEND_OPTIMIZERS(DESCEND_ROW)};
#undef DESCEND_ROW
  CHECK(ds::optimizer_names().size() == optimizers.size());
  for (const ds::Optimizer& optimizer : optimizers) {
    std::vector<float> theta = {1};
    std::vector<std::vector<float>> memory(ds::state_vectors(optimizer), std::vector<float>(1));
    std::vector<ds::VectorView> state;
    for (std::vector<float>& vector : memory) state.emplace_back(vector.data(), 1);
    for (std::uint64_t step = 1; step <= 100; ++step) {
      const std::vector<float> gradient = theta;
      ds::update(optimizer, step, {theta.data(), 1}, {gradient.data(), 1}, state);
    }
    CHECK(theta[0] > 0 && theta[0] < 0.995F);  // Lion's hundred steps are of 1e-4 each
  }
}

void test_a_mismatch_throws_and_changes_nothing() {
  std::vector<double> theta = {1, 2};
  const std::vector<double> gradient = {1, 1, 1};
  CHECK_THROWS(ds::update(ds::SGD{}, 1, {theta.data(), 2}, {gradient.data(), 3}, {}),
               std::invalid_argument, "3");
  CHECK_THROWS(ds::update(ds::Adam{}, 1, {theta.data(), 2}, {gradient.data(), 2}, {}),
               std::invalid_argument, "2");
  CHECK((theta == std::vector<double>{1, 2}));

  ds::SGD nesterov;
  nesterov.nesterov = true;
  CHECK_THROWS(ds::validate(nesterov), std::invalid_argument, "momentum");
  ds::RMSProp rmsprop;
  rmsprop.learning_rate = std::nan("");
  CHECK_THROWS(ds::validate(rmsprop), std::invalid_argument, "learning_rate");
}

}  // namespace

int main() {
  test_sgd_subtracts_the_scaled_gradient();
  test_the_first_adam_step_is_the_learning_rate();
  test_every_optimizer_descends_on_a_parabola();
  test_a_mismatch_throws_and_changes_nothing();
  return check_result();
}
