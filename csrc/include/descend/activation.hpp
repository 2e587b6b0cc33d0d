// Activation functions a = f(z), applied to each element.
#pragma once

#include <string>
#include <vector>

namespace descend {

/// One row a function: name, and whether f'(z) is computed from z or from a = f(z).
/// The function itself stands in kernels/activations.hpp.
///
///   identity    z                          leaky_relu  z > 0 ? z : 0.01 z
///   relu        max(z, 0)                  elu         z > 0 ? z : exp(z) - 1
///   tanh        tanh(z)                    softplus    log(1 + exp(z))
///   sigmoid     1 / (1 + exp(-z))          silu        z sigmoid(z)
///   gelu        z Phi(z), Phi the standard normal distribution function (erf form)
#define DESCEND_ACTIVATIONS(ROW) \
  ROW(identity, a)               \
  ROW(relu, a)                   \
  ROW(leaky_relu, a)             \
  ROW(tanh, a)                   \
  ROW(sigmoid, a)                \
  ROW(softplus, a)               \
  ROW(elu, a)                    \
  ROW(gelu, z)                   \
  ROW(silu, z)

enum class Activation {
#define DESCEND_ROW(name, derivative_from) name,
  DESCEND_ACTIVATIONS(DESCEND_ROW)
#undef DESCEND_ROW
};

/// Every name, in the order of the enumeration.
std::vector<std::string> activation_names();
std::string name(Activation activation);
/// Throws std::invalid_argument, listing the known names.
Activation parse_activation(const std::string& name);
/// True where the derivative is computed from z, false where from a.
bool derivative_needs_z(Activation activation);

}  // namespace descend
