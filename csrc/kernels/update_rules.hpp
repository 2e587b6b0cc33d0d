// One optimizer step, one struct for each row of optimizer.hpp (the formulas stand there), in a
// file for each family.
#pragma once

#include "kernels/update_rules_adagrad.hpp"
#include "kernels/update_rules_adam.hpp"
#include "kernels/update_rules_sgd.hpp"
