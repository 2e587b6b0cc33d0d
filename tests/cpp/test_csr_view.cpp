// Sparse rows from C++: the results of the dense matrix, part of the rows, and what is refused.
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "check.hpp"
#include "core/interrupt_poll.hpp"
#include "descend/descend.hpp"
#include "network/state.hpp"

namespace ds = descend;

namespace {

// (4, 6): columns 1 and 4, none, 5 and 0, and 3.
struct Rows {
  std::vector<std::uint8_t> values = {3, 1, 2, 7, 5};
  std::vector<std::int64_t> indices = {1, 4, 5, 0, 3};
  std::vector<std::int64_t> indptr = {0, 2, 2, 4, 5};

  ds::ConstCsrView view() const {
    return {values.data(), indices.data(), indptr.data(), values.size(), 4, 6};
  }
};

const std::vector<float> kDense = {0, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                                   7, 0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0};
const std::vector<std::int32_t> kLabels = {0, 1, 1, 0};

ds::Network network() {
  ds::NetworkSpec spec;
  spec.inputs = 6;
  spec.layers = {{5, ds::Activation::tanh}, {2}};
  return ds::Network(spec, 3);
}

std::vector<float> outputs_of(const ds::InputView& inputs) {
  std::vector<float> outputs(inputs.rows() * 2);
  network().predict(inputs, {outputs.data(), inputs.rows(), 2});
  return outputs;
}

std::vector<float> trained_on(const ds::InputView& inputs) {
  const ds::Network trained = network();
  ds::TrainerOptions options;
  options.batch_size = 3;
  ds::Trainer trainer(trained, ds::Loss::softmax_cross_entropy, ds::Adam{}, options);
  ds::FitOptions fit;
  fit.epochs = 3;
  fit.validation_inputs = inputs;
  fit.validation_targets = ds::LabelView(kLabels.data(), 4);
  trainer.fit(inputs, ds::LabelView(kLabels.data(), 4), fit);
  std::vector<float> parameters(trained.parameter_count());
  trained.get_parameters({parameters.data(), parameters.size()});
  return parameters;
}

void test_results_are_those_of_the_dense_rows() {
  const Rows rows;
  const ds::ConstMatrixView dense(kDense.data(), 4, 6);
  CHECK(outputs_of(rows.view()) == outputs_of(dense));
  CHECK(trained_on(rows.view()) == trained_on(dense));
  CHECK(outputs_of(rows.view().rows(2, 4)) == outputs_of(dense.rows(2, 4)));
  CHECK(outputs_of(ds::InputView(rows.view()).rows(1, 3)) ==
        outputs_of(ds::InputView(dense).rows(1, 3)));
}

void test_a_view_says_what_it_is() {
  const Rows rows;
  const ds::InputView nothing, dense(kDense.data(), 4, 6), sparse(rows.view());
  CHECK(!nothing.given());
  CHECK(dense.given() && !dense.is_sparse());
  CHECK(sparse.given() && sparse.is_sparse());
  CHECK(sparse.rows() == 4 && sparse.columns() == 6);
}

void test_places_that_are_none_are_refused() {
  const auto refused = [](const char* part, auto spoil) {
    Rows rows;
    spoil(rows);
    CHECK_THROWS(outputs_of(rows.view()), std::invalid_argument, part);
  };
  refused("X has column index 6 in row 0", [](Rows& rows) { rows.indices[1] = 6; });
  refused("X has column 5 twice in row 2", [](Rows& rows) { rows.indices[3] = 5; });
  refused("X.indptr[3] is 6", [](Rows& rows) { rows.indptr[3] = 6; });
  refused("X.indptr[2] is 1", [](Rows& rows) { rows.indptr[2] = 1; });
  const Rows rows;
  const ds::ConstCsrView small(rows.values.data(), ds::ElementType::uint8, rows.indices.data(),
                               rows.indptr.data(), ds::ElementType::int16, 5, 4, 6);
  CHECK_THROWS(outputs_of(small), std::invalid_argument, "are int16, expected int32 or int64");
}

// The caller is asked behind the first check, and may do anything there.
void test_places_that_change_behind_their_check_are_not_followed() {
  constexpr std::int64_t kFar = std::int64_t{1} << 40;
  for (const auto& [first, last] : {std::pair{std::int64_t{0}, kFar}, std::pair{kFar, kFar},
                                    std::pair{-kFar, std::int64_t{5}}}) {
    Rows rows;
    const std::vector<float> values(rows.values.begin(), rows.values.end());
    const ds::ConstCsrView view(values.data(), rows.indices.data(), rows.indptr.data(), 5, 4, 6);
    bool has_changed = false;
    const std::function<bool()> change = [&, first = first, last = last] {
      rows.indptr.front() = first;
      rows.indptr.back() = last;
      has_changed = true;
      return false;
    };
    ds::core::InterruptPoll poll(change);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until it is due
    ds::network::check_inputs("test", network().spec(), view, {0, &poll});
    CHECK(has_changed);
  }
}

}  // namespace

int main() {
  test_results_are_those_of_the_dense_rows();
  test_a_view_says_what_it_is();
  test_places_that_are_none_are_refused();
  test_places_that_change_behind_their_check_are_not_followed();
  return check_result();
}
