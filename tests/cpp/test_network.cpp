// Network: predictions, loss and gradient, and the errors of its arguments.
#include <cmath>
#include <cstdint>
#include <limits>
#include <locale>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"

namespace ds = descend;

namespace {

// 2-2-1: a = relu(x w + b), f = a v + c.
ds::Network known_network() {
  ds::NetworkSpec spec;
  spec.inputs = 2;
  spec.layers = {{2, ds::Activation::relu}, {1}};
  spec.dtype = ds::DType::float64;
  ds::Network network(spec);
  const std::vector<double> parameters = {1, -1, 2,   1, 0, 0.5,  // w by rows, b
                                          3, -2, 0.25};           // v, c
  network.set_parameters({parameters.data(), parameters.size()});
  return network;
}

void test_predict_computes_the_network_by_hand() {
  const std::vector<double> x = {1, 2, -1, 0};
  std::vector<double> f(2);
  known_network().predict({x.data(), 2, 2}, {f.data(), 2, 1});
  CHECK(f[0] == 3 * 5 - 2 * 1.5 + 0.25);  // z = (5, 1.5)
  CHECK(f[1] == -2 * 1.5 + 0.25);         // z = (-1, 1.5)
}

void test_rows_may_stand_apart_and_be_of_the_other_dtype() {
  const std::vector<float> x = {1, 2, 99, -1, 0, 99};
  std::vector<double> f(2);
  known_network().predict({x.data(), 2, 2, 3}, {f.data(), 2, 1});
  CHECK(f[0] == 12.25);
  CHECK(f[1] == -2.75);
}

// The rows (1, 2) and (1, 0), three elements apart.
template <class T>
void test_rows_may_be_of_type(T zero, T one, T two) {
  const T x[] = {one, two, two, one, zero};
  std::vector<double> f(2);
  known_network().predict({x, 2, 2, 3}, {f.data(), 2, 1});
  CHECK(f[0] == 12.25);
  CHECK(f[1] == 3 * 1 + 0.25);  // z = (1, -0.5)
}

void test_rows_may_be_of_any_element_type() {
  test_rows_may_be_of_type<std::int8_t>(0, 1, 2);
  test_rows_may_be_of_type<std::uint8_t>(0, 1, 2);
  test_rows_may_be_of_type<std::int16_t>(0, 1, 2);
  test_rows_may_be_of_type<std::uint16_t>(0, 1, 2);
  test_rows_may_be_of_type<std::int32_t>(0, 1, 2);
  test_rows_may_be_of_type<std::uint32_t>(0, 1, 2);
  test_rows_may_be_of_type<long>(0, 1, 2);
  test_rows_may_be_of_type<long long>(0, 1, 2);
  test_rows_may_be_of_type<unsigned long long>(0, 1, 2);
  test_rows_may_be_of_type<ds::Float16>({0}, {0x3c00}, {0x4000});
  test_rows_may_be_of_type<float>(0, 1, 2);
  test_rows_may_be_of_type<double>(0, 1, 2);
  const bool x[] = {true, false};
  double f = 0;
  known_network().predict({x, 1, 2}, {&f, 1, 1});
  CHECK(f == 3 * 1 + 0.25);
}

void test_class_indices_may_be_of_any_integer_type() {
  ds::NetworkSpec spec;
  spec.inputs = 1;
  spec.layers = {{2}};
  const ds::Network network(spec, 1);
  const float x[] = {1, 2, 3};
  const auto loss = [&](ds::LabelView labels) {
    return network.loss({x, 3, 1}, labels, ds::Loss::softmax_cross_entropy);
  };
  const bool labels[] = {true, false, true};
  const std::int16_t same[] = {1, 0, 1};
  const unsigned long long same_too[] = {1, 0, 1};
  CHECK(loss({labels, 3}) == loss({same, 3}));
  CHECK(loss({labels, 3}) == loss({same_too, 3}));
  const std::uint64_t too_large[] = {1, 0, std::numeric_limits<std::uint64_t>::max()};
  CHECK_THROWS(loss({too_large, 3}), std::invalid_argument, "9223372036854775807 at row 2");
  CHECK_THROWS(loss({x, ds::ElementType::float32, 3}), std::invalid_argument, "float32");
}

void test_gradient_is_the_central_difference_of_the_loss() {
  ds::NetworkSpec spec;
  spec.inputs = 3;
  spec.layers = {{5, ds::Activation::tanh}, {2}};
  spec.dtype = ds::DType::float64;
  ds::Network network(spec, 7);
  const std::vector<double> x = {0.5, -1, 2, 1.5, 0.25, -0.5};
  const std::vector<std::int32_t> labels = {1, 0};
  const ds::ConstMatrixView inputs(x.data(), 2, 3);
  const ds::LabelView targets(labels.data(), 2);
  const ds::Loss loss = ds::Loss::softmax_cross_entropy;

  const std::size_t count = network.parameter_count();
  std::vector<double> theta(count);
  std::vector<double> gradient(count);
  network.get_parameters({theta.data(), count});
  const double value = network.loss_and_gradient(inputs, targets, loss, {gradient.data(), count});
  CHECK(value == network.loss(inputs, targets, loss));

  const double h = 1e-5;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<double> moved = theta;
    moved[i] += h;
    network.set_parameters({moved.data(), count});
    const double above = network.loss(inputs, targets, loss);
    moved[i] -= 2 * h;
    network.set_parameters({moved.data(), count});
    const double below = network.loss(inputs, targets, loss);
    CHECK(std::abs((above - below) / (2 * h) - gradient[i]) < 1e-8);
  }
}

void test_a_copy_has_parameters_of_its_own() {
  ds::Network network = known_network();
  const ds::Network copy = network;
  const std::vector<double> zeros(network.parameter_count());
  network.set_parameters({zeros.data(), zeros.size()});
  std::vector<double> parameters(copy.parameter_count());
  copy.get_parameters({parameters.data(), parameters.size()});
  CHECK(parameters[0] == 1);
}

void test_the_seed_decides_the_weights() {
  ds::NetworkSpec spec;
  spec.inputs = 4;
  spec.layers = {{3}};
  const auto weights = [&spec](std::uint64_t seed) {
    const ds::Network network(spec, seed);
    std::vector<float> parameters(network.parameter_count());
    network.get_parameters({parameters.data(), parameters.size()});
    return parameters;
  };
  CHECK(weights(1) == weights(1));
  CHECK(weights(1) != weights(2));
}

void test_bad_arguments_throw_and_change_nothing() {
  ds::Network network = known_network();
  const std::vector<double> x = {1, 2, 3};
  std::vector<double> f(1);
  CHECK_THROWS(network.predict({x.data(), 1, 3}, {f.data(), 1, 1}), std::invalid_argument, "3");
  CHECK_THROWS(network.predict({x.data(), 1, 2}, {f.data(), 2, 1}), std::invalid_argument, "1");

  std::vector<double> parameters(network.parameter_count(),
                                 std::numeric_limits<double>::quiet_NaN());
  CHECK_THROWS(network.set_parameters({parameters.data(), parameters.size()}),
               std::invalid_argument, "");
  CHECK_THROWS(network.set_parameters({parameters.data(), 2}), std::invalid_argument, "9");
  network.get_parameters({parameters.data(), parameters.size()});
  CHECK(parameters[0] == 1);

  const ds::Float16 infinite[] = {{0x3c00}, {0x7c00}};
  CHECK_THROWS(network.predict({infinite, 1, 2}, {f.data(), 1, 1}), std::invalid_argument,
               "X is inf at row 0, column 1");
  const std::uint8_t bytes[] = {1, 2};
  CHECK_THROWS(ds::ops::dense_forward({bytes, 1, 2}, {x.data(), 2, 1}, {x.data(), 1},
                                      ds::Activation::relu, {f.data(), 1, 1}),
               std::invalid_argument, "uint8");

  const std::int32_t label = 3;
  CHECK_THROWS(
      network.loss({x.data(), 1, 2}, ds::LabelView(&label, 1), ds::Loss::softmax_cross_entropy),
      std::invalid_argument, "3");
}

void test_an_empty_or_oversized_network_cannot_be_made() {
  ds::NetworkSpec spec;
  CHECK_THROWS(ds::Network{spec}, std::invalid_argument, "layer");
  spec.layers = {{0}};
  CHECK_THROWS(ds::Network{spec}, std::invalid_argument, "0");
  spec.inputs = std::numeric_limits<std::size_t>::max() / 2;
  spec.layers = {{3}};
  CHECK_THROWS(ds::Network{spec}, std::invalid_argument, "");
}

void test_a_network_can_be_made_with_its_parameters() {
  ds::NetworkSpec spec;
  spec.inputs = 2;
  spec.layers = {{3, ds::Activation::relu}, {1}};
  const ds::LayerShape last = ds::layer_shapes(spec).back();
  CHECK(last.inputs == 3 && last.units == 1 && last.bias_offset == 12);
  const std::vector<float> given = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  const ds::Network network(spec, ds::ConstVectorView(given.data(), given.size()));
  std::vector<float> parameters(network.parameter_count());
  network.get_parameters({parameters.data(), parameters.size()});
  CHECK(parameters == given);
  CHECK_THROWS(ds::Network(spec, ds::ConstVectorView(given.data(), 12)), std::invalid_argument,
               "12 elements");
}

void test_errors_have_plain_numbers_in_any_locale() {
  struct Grouped : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before =
      std::locale::global(std::locale(std::locale::classic(), new Grouped));  // which owns it
  ds::NetworkSpec spec;
  spec.inputs = 70000;
  spec.layers = {{1}};
  const std::vector<float> x(60000);
  float f = 0.0F;
  CHECK_THROWS(ds::Network(spec).predict({x.data(), 1, x.size()}, {&f, 1, 1}),
               std::invalid_argument, "(1, 60000), but the network expects 70000 inputs");
  std::locale::global(before);
}

void test_unknown_names_list_the_known_ones() {
  CHECK_THROWS(ds::parse_activation("reluu"), std::invalid_argument, "leaky_relu");
  CHECK_THROWS(ds::parse_loss("mse"), std::invalid_argument, "squared_error");
  CHECK_THROWS(ds::parse_initializer("xavier"), std::invalid_argument, "glorot_uniform");
  for (const std::string& name : ds::activation_names()) {
    CHECK(ds::name(ds::parse_activation(name)) == name);
  }
}

void test_long_calls_can_be_interrupted() {
  ds::NetworkSpec spec;
  spec.inputs = 64;
  spec.layers = {{2048, ds::Activation::relu}, {1}};
  const ds::Network network(spec);
  const std::size_t rows = 50000;
  const std::vector<float> x(rows * 64, 1.0F);
  std::vector<float> outputs(rows), gradient(network.parameter_count());
  int asked = 0;
  const auto interrupted = [&asked] { return ++asked > 0; };
  CHECK(!network.predict({x.data(), rows, 64}, {outputs.data(), rows, 1}, 1, interrupted));
  CHECK(asked == 1);
  const double loss = network.loss_and_gradient(
      {x.data(), rows, 64}, ds::ConstMatrixView(outputs.data(), rows, 1), ds::Loss::squared_error,
      {gradient.data(), gradient.size()}, {}, 1, interrupted);
  CHECK(loss != loss);
  CHECK(asked == 2);
  CHECK(network.predict({x.data(), 5, 64}, {outputs.data(), 5, 1}, 1, interrupted));
}

}  // namespace

int main() {
  test_predict_computes_the_network_by_hand();
  test_rows_may_stand_apart_and_be_of_the_other_dtype();
  test_rows_may_be_of_any_element_type();
  test_class_indices_may_be_of_any_integer_type();
  test_gradient_is_the_central_difference_of_the_loss();
  test_a_copy_has_parameters_of_its_own();
  test_the_seed_decides_the_weights();
  test_bad_arguments_throw_and_change_nothing();
  test_an_empty_or_oversized_network_cannot_be_made();
  test_a_network_can_be_made_with_its_parameters();
  test_errors_have_plain_numbers_in_any_locale();
  test_unknown_names_list_the_known_ones();
  test_long_calls_can_be_interrupted();
  return check_result();
}
