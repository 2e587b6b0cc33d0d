// Weights of classes in the training loss.
#pragma once

#include <vector>

namespace descend {

/// What the weight of a row is multiplied by, which says how much its class counts.
struct ClassWeight {
  std::vector<double> weights{};  ///< one a class, finite, >= 0, not all 0; empty: all 1
  /// In their place n / (k n_c), where the call's rows are n, n_c of class c, and k classes occur:
  /// each class counts as much as another one. King & Zeng (2001); scikit-learn's "balanced".
  bool balanced = false;

  bool any() const { return balanced || !weights.empty(); }
};

}  // namespace descend
