"""Optimizers: hyperparameters and the update of one array.

g the gradient, v, m, s the state, all of theta's shape; t counts steps from 1
init(theta) gives the state, a list of arrays; update changes theta and the state in place
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Optimizer:
    """What all share: state vectors that start at 0, and no weight decay."""

    def init(self, theta):
        return [np.zeros_like(theta) for _ in range(self.state_vectors)]


@dataclass(frozen=True)
class SGD(Optimizer):
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    @property
    def state_vectors(self):
        return 1 if self.momentum > 0 else 0

    def update(self, theta, g, state, t, decay=True):
        step = -self.learning_rate * g
        if decay:
            theta -= self.learning_rate * self.weight_decay * theta
        if self.momentum == 0:
            theta += step
            return
        (v,) = state
        v *= self.momentum
        v += step
        theta += self.momentum * v + step if self.nesterov else v


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    learning_rate: float = 0.01
    epsilon: float = 1e-10
    state_vectors = 1

    def update(self, theta, g, state, t, decay=True):
        (s,) = state
        s += g**2
        theta -= self.learning_rate * g / (np.sqrt(s) + self.epsilon)


@dataclass(frozen=True)
class RMSProp(Optimizer):
    learning_rate: float = 0.001
    rho: float = 0.9
    epsilon: float = 1e-7
    momentum: float = 0.0

    @property
    def state_vectors(self):
        return 2 if self.momentum > 0 else 1

    def update(self, theta, g, state, t, decay=True):
        s = state[0]
        s *= self.rho
        s += (1 - self.rho) * g**2
        d = self.learning_rate * g / (np.sqrt(s) + self.epsilon)
        if self.momentum == 0:
            theta -= d
            return
        v = state[1]
        v *= self.momentum
        v += d
        theta -= v


@dataclass(frozen=True)
class Adam(Optimizer):
    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False
    state_vectors = 2

    def update(self, theta, g, state, t, decay=True):
        m, v = state
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g**2
        if self.epsilon_hat:
            rate = self.learning_rate * np.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
            theta -= rate * m / (np.sqrt(v) + self.epsilon)
            return
        m_hat = m / (1 - self.beta1**t)
        v_hat = v / (1 - self.beta2**t)
        theta -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


@dataclass(frozen=True)
class AdamW(Adam):
    weight_decay: float = 0.01

    def update(self, theta, g, state, t, decay=True):
        if decay:
            theta -= self.learning_rate * self.weight_decay * theta
        super().update(theta, g, state, t)


@dataclass(frozen=True)
class AdaDelta(Optimizer):
    learning_rate: float = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    state_vectors = 2

    def update(self, theta, g, state, t, decay=True):
        s, u = state
        s *= self.rho
        s += (1 - self.rho) * g**2
        d = np.sqrt(u + self.epsilon) / np.sqrt(s + self.epsilon) * g
        u *= self.rho
        u += (1 - self.rho) * d**2
        theta -= self.learning_rate * d


@dataclass(frozen=True)
class AMSGrad(Optimizer):
    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    state_vectors = 3

    def update(self, theta, g, state, t, decay=True):
        m, v, v_max = state
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g**2
        np.maximum(v_max, v, out=v_max)
        m_hat = m / (1 - self.beta1**t)
        v_hat = v_max / (1 - self.beta2**t)
        theta -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


@dataclass(frozen=True)
class Adamax(Optimizer):
    learning_rate: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    state_vectors = 2

    def update(self, theta, g, state, t, decay=True):
        m, u = state
        m *= self.beta1
        m += (1 - self.beta1) * g
        u *= self.beta2
        np.maximum(u, np.abs(g) + self.epsilon, out=u)
        theta -= self.learning_rate / (1 - self.beta1**t) * m / u


@dataclass(frozen=True)
class NAdam(Optimizer):
    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    state_vectors = 2

    def update(self, theta, g, state, t, decay=True):
        m, v = state
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g**2
        ahead = self.beta1 * m / (1 - self.beta1 ** (t + 1))
        ahead += (1 - self.beta1) * g / (1 - self.beta1**t)
        v_hat = v / (1 - self.beta2**t)
        theta -= self.learning_rate * ahead / (np.sqrt(v_hat) + self.epsilon)


@dataclass(frozen=True)
class Lion(Optimizer):
    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    state_vectors = 1

    def update(self, theta, g, state, t, decay=True):
        (m,) = state
        direction = np.sign(self.beta1 * m + (1 - self.beta1) * g)
        if decay:
            theta -= self.learning_rate * self.weight_decay * theta
        theta -= self.learning_rate * direction
        m *= self.beta2
        m += (1 - self.beta2) * g


OPTIMIZERS = {
    kind.__name__: kind
    for kind in (SGD, AdaGrad, RMSProp, Adam, AdamW, AdaDelta, AMSGrad, Adamax, NAdam, Lion)
}
# Lion takes the sign of an average: where that is a sum that nearly cancels, any rounding decides.
SMOOTH = tuple(name for name in OPTIMIZERS if name != "Lion")
