"""Activations a = f(z) and their derivatives f'(z)."""

import math
from typing import NamedTuple

import numpy as np

_erfc = np.vectorize(math.erfc, otypes=[float])


class Activation(NamedTuple):
    f: object
    derivative: object


def _sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def _normal_cdf(z):
    return 0.5 * _erfc(-z / math.sqrt(2))


def _normal_density(z):
    size = np.minimum(np.abs(z), 40)  # 0 beyond; a larger square might overflow
    return np.exp(-0.5 * size**2) / math.sqrt(2 * math.pi)


def _exp_of_negative(z):
    return np.exp(np.minimum(z, 0))


ACTIVATIONS = {
    "identity": Activation(lambda z: z, np.ones_like),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": Activation(
        lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)
    ),
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": Activation(_sigmoid, lambda z: _sigmoid(z) * _sigmoid(-z)),
    "softplus": Activation(lambda z: np.logaddexp(0, z), _sigmoid),
    "elu": Activation(
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, _exp_of_negative(z)),
    ),
    "gelu": Activation(
        lambda z: z * _normal_cdf(z), lambda z: _normal_cdf(z) + z * _normal_density(z)
    ),
    "silu": Activation(lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z))),
}
