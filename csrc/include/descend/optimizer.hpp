// Optimizers: hyperparameters, and the update of anybody's arrays.
//   g is the gradient; every operation is per element; t counts steps from 1
// A learning rate is a number, a schedule or a function (learning_rate.hpp): that of step t is
// meant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "descend/learning_rate.hpp"
#include "descend/matrix_view.hpp"
#include "descend/range.hpp"

namespace descend {

/// Stochastic gradient descent, with classical or Nesterov momentum.
///
///   v = momentum v - learning_rate g;  theta += v   (nesterov: momentum v - learning_rate g)
///
/// Sutskever et al. (2013); velocity form of Goodfellow, Bengio & Courville (2016), 8.3.
/// The decay is decoupled: theta -= learning_rate weight_decay theta.
struct SGD {
  static constexpr const char* kName = "SGD";
  static constexpr const char* kSummary =
      "Stochastic gradient descent, with classical or Nesterov momentum.\n\n"
      "``v = momentum v - learning_rate g; theta += v``; with ``nesterov``\n"
      "``theta += momentum v - learning_rate g`` with the new v. The weight decay is decoupled:\n"
      "``theta -= learning_rate weight_decay theta``. Sutskever et al. (2013).";
  LearningRate learning_rate = 0.01;
  double momentum = 0.0;
  bool nesterov = false;      ///< needs momentum > 0
  double weight_decay = 0.0;  ///< decoupled; weights only in a network

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("momentum", self.momentum, Range::unit);
    field("nesterov", self.nesterov);
    field("weight_decay", self.weight_decay, Range::non_negative);
  }
  std::size_t state_vectors() const { return momentum > 0 ? 1 : 0; }
};

/// s += g^2;  theta -= learning_rate g / (sqrt(s) + epsilon). Duchi, Hazan & Singer (2011).
struct AdaGrad {
  static constexpr const char* kName = "AdaGrad";
  static constexpr const char* kSummary =
      "AdaGrad, Duchi, Hazan & Singer (2011).\n\n"
      "``s += g^2; theta -= learning_rate g / (sqrt(s) + epsilon)``.";
  LearningRate learning_rate = 0.01;
  double epsilon = 1e-10;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("epsilon", self.epsilon, Range::positive);
  }
  std::size_t state_vectors() const { return 1; }
};

/// s = rho s + (1 - rho) g^2;  d = learning_rate g / (sqrt(s) + epsilon);  theta -= d, or with
/// momentum v = momentum v + d;  theta -= v. Tieleman & Hinton (2012).
struct RMSProp {
  static constexpr const char* kName = "RMSProp";
  static constexpr const char* kSummary =
      "RMSProp, Tieleman & Hinton (2012), with optional momentum on the step.\n\n"
      "``s = rho s + (1 - rho) g^2; d = learning_rate g / (sqrt(s) + epsilon); theta -= d``;\n"
      "with momentum ``v = momentum v + d; theta -= v``.";
  LearningRate learning_rate = 0.001;
  double rho = 0.9;
  double epsilon = 1e-7;
  double momentum = 0.0;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("rho", self.rho, Range::unit);
    field("epsilon", self.epsilon, Range::positive);
    field("momentum", self.momentum, Range::unit);
  }
  std::size_t state_vectors() const { return momentum > 0 ? 2 : 1; }
};

/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// theta -= learning_rate m_hat / (sqrt(v_hat) + epsilon), m_hat = m / (1 - beta1^t),
/// v_hat = v / (1 - beta2^t). Kingma & Ba (2015).
/// With epsilon_hat, epsilon stands outside of the bias correction, as at the end of the paper's
/// section 2 and in scikit-learn and Keras:
/// theta -= learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon).
struct Adam {
  static constexpr const char* kName = "Adam";
  static constexpr const char* kSummary =
      "Adam, Kingma & Ba (2015).\n\n"
      "``m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;``\n"
      "``theta -= learning_rate m_hat / (sqrt(v_hat) + epsilon)`` with the bias-corrected\n"
      "``m_hat = m / (1 - beta1^t)`` and ``v_hat = v / (1 - beta2^t)``; with ``epsilon_hat``\n"
      "``theta -= learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)``, as\n"
      "scikit-learn and Keras have it.";
  LearningRate learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool epsilon_hat = false;  ///< epsilon outside of the bias correction

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("beta1", self.beta1, Range::unit);
    field("beta2", self.beta2, Range::unit);
    field("epsilon", self.epsilon, Range::positive);
    field("epsilon_hat", self.epsilon_hat);
  }
  std::size_t state_vectors() const { return 2; }
};

/// Adam with decoupled decay: theta -= learning_rate weight_decay theta before the step.
/// Loshchilov & Hutter (2019).
struct AdamW {
  static constexpr const char* kName = "AdamW";
  static constexpr const char* kSummary =
      "Adam with decoupled weight decay, Loshchilov & Hutter (2019).\n\n"
      "``theta -= learning_rate weight_decay theta`` beside Adam's step, whose ``epsilon_hat`` it\n"
      "has too.";
  LearningRate learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;  ///< weights only in a network
  bool epsilon_hat = false;    ///< as Adam's

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("beta1", self.beta1, Range::unit);
    field("beta2", self.beta2, Range::unit);
    field("epsilon", self.epsilon, Range::positive);
    field("weight_decay", self.weight_decay, Range::non_negative);
    field("epsilon_hat", self.epsilon_hat);
  }
  std::size_t state_vectors() const { return 2; }
};

/// s = rho s + (1 - rho) g^2;  d = sqrt(u + epsilon) / sqrt(s + epsilon) g;
/// u = rho u + (1 - rho) d^2;  theta -= learning_rate d. Zeiler (2012), with a learning rate.
struct AdaDelta {
  static constexpr const char* kName = "AdaDelta";
  static constexpr const char* kSummary =
      "AdaDelta, Zeiler (2012), with a learning rate, which is 1 in the paper.\n\n"
      "``s = rho s + (1 - rho) g^2; d = sqrt(u + epsilon) / sqrt(s + epsilon) g;``\n"
      "``u = rho u + (1 - rho) d^2; theta -= learning_rate d``; PyTorch's ``Adadelta``.";
  LearningRate learning_rate = 1.0;
  double rho = 0.9;
  double epsilon = 1e-6;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("rho", self.rho, Range::unit);
    field("epsilon", self.epsilon, Range::positive);
  }
  std::size_t state_vectors() const { return 2; }
};

/// Adam whose denominator never shrinks: w = max(w, v) in the place of v,
/// theta -= learning_rate m_hat / (sqrt(w / (1 - beta2^t)) + epsilon). Reddi, Kale & Kumar (2018).
struct AMSGrad {
  static constexpr const char* kName = "AMSGrad";
  static constexpr const char* kSummary =
      "AMSGrad, Reddi, Kale & Kumar (2018): Adam whose denominator never shrinks.\n\n"
      "``m`` and ``v`` as Adam's, ``w = max(w, v)``;\n"
      "``theta -= learning_rate m_hat / (sqrt(w / (1 - beta2^t)) + epsilon)``; PyTorch's\n"
      "``Adam(amsgrad=True)``.";
  LearningRate learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("beta1", self.beta1, Range::unit);
    field("beta2", self.beta2, Range::unit);
    field("epsilon", self.epsilon, Range::positive);
  }
  std::size_t state_vectors() const { return 3; }
};

/// m = beta1 m + (1 - beta1) g;  u = max(beta2 u, |g| + epsilon);
/// theta -= learning_rate / (1 - beta1^t) m / u. Kingma & Ba (2015), section 7.1.
struct Adamax {
  static constexpr const char* kName = "Adamax";
  static constexpr const char* kSummary =
      "Adamax, Kingma & Ba (2015), section 7.1: Adam over the largest gradients.\n\n"
      "``m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + epsilon);``\n"
      "``theta -= learning_rate / (1 - beta1^t) m / u``; PyTorch's and optax's ``Adamax``.";
  LearningRate learning_rate = 0.002;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("beta1", self.beta1, Range::unit);
    field("beta2", self.beta2, Range::unit);
    field("epsilon", self.epsilon, Range::positive);
  }
  std::size_t state_vectors() const { return 2; }
};

/// Adam with Nesterov's momentum, of one beta1 for all steps, m and v as Adam's:
/// n = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t);
/// theta -= learning_rate n / (sqrt(v_hat) + epsilon). Dozat (2016).
struct NAdam {
  static constexpr const char* kName = "NAdam";
  static constexpr const char* kSummary =
      "NAdam, Dozat (2016): Adam with Nesterov's momentum.\n\n"
      "``m`` and ``v`` as Adam's,\n"
      "``n = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t);``\n"
      "``theta -= learning_rate n / (sqrt(v_hat) + epsilon)``. One beta1 for all steps, as in\n"
      "optax: PyTorch's ``NAdam`` where its ``momentum_decay`` is large.";
  LearningRate learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("beta1", self.beta1, Range::unit);
    field("beta2", self.beta2, Range::unit);
    field("epsilon", self.epsilon, Range::positive);
  }
  std::size_t state_vectors() const { return 2; }
};

/// theta -= learning_rate (sign(beta1 m + (1 - beta1) g) + weight_decay theta);
/// m = beta2 m + (1 - beta2) g. Chen et al. (2023).
struct Lion {
  static constexpr const char* kName = "Lion";
  static constexpr const char* kSummary =
      "Lion, Chen et al. (2023): the sign of an average.\n\n"
      "``theta -= learning_rate (sign(beta1 m + (1 - beta1) g) + weight_decay theta);``\n"
      "``m = beta2 m + (1 - beta2) g``. Its rates are a third to a tenth of Adam's.";
  LearningRate learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0.0;  ///< decoupled; weights only in a network

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("learning_rate", self.learning_rate);
    field("beta1", self.beta1, Range::unit);
    field("beta2", self.beta2, Range::unit);
    field("weight_decay", self.weight_decay, Range::non_negative);
  }
  std::size_t state_vectors() const { return 1; }
};

/// One row an optimizer; its update stands in kernels/update_rules.hpp.
#define DESCEND_OPTIMIZERS(ROW) \
  ROW(SGD)                      \
  ROW(AdaGrad)                  \
  ROW(RMSProp)                  \
  ROW(Adam)                     \
  ROW(AdamW)                    \
  ROW(AdaDelta)                 \
  ROW(AMSGrad)                  \
  ROW(Adamax)                   \
  ROW(NAdam)                    \
  ROW(Lion)

/// The alternative's index is the row's place in DESCEND_OPTIMIZERS.
using Optimizer =
    std::variant<SGD, AdaGrad, RMSProp, Adam, AdamW, AdaDelta, AMSGrad, Adamax, NAdam, Lion>;

/// Every name, in the order of the list.
std::vector<std::string> optimizer_names();
std::string name(const Optimizer& optimizer);
const LearningRate& learning_rate(const Optimizer& optimizer);
/// Throws std::invalid_argument where a hyperparameter is out of range or not a number.
void validate(const Optimizer& optimizer);
/// How many vectors of theta's size the optimizer keeps; they start at 0.
std::size_t state_vectors(const Optimizer& optimizer);

/// Applies step number `step` (from 1) to `theta` in place, in one pass, by several threads where
/// that is worth while.
///
/// `gradient` and each of `state` have theta's dtype and size; state holds
/// state_vectors(optimizer) vectors, zero before the first step. The learning rate is that of
/// `step`. The decay acts on everything given. Throws std::invalid_argument, changing nothing, on a
/// mismatch, where vectors share memory, and where the learning rate counts epochs.
void update(const Optimizer& optimizer, std::uint64_t step, VectorView theta,
            ConstVectorView gradient, const std::vector<VectorView>& state);

}  // namespace descend
