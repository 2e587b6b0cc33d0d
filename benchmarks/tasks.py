"""The tasks that every contender runs: networks, minibatches and the data to train on.

Each is classification by softmax cross-entropy in float32: inputs are standard normal, the class of
a row is the largest of random linear scores, so that there is something to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["TABLE", "TASKS", "Task"]

LEARNING_RATE = 1e-3

# An epoch is about so much arithmetic, but within these numbers of steps.
EPOCH_FLOPS = 4e9
STEPS = range(8, 1001)

STATE_VECTORS = {"adam": 2, "rmsprop": 1, "sgd": 0}


@dataclass(frozen=True)
class Task:
    """A network of dense layers, ``sizes[0]`` inputs first, and how it is trained."""

    sizes: tuple[int, ...]
    batch_size: int
    optimizer: str = "adam"
    activation: str = "relu"

    @property
    def name(self) -> str:
        """As the tables show it, such as ``784-128-64-10, 64, tanh``."""
        parts = ["-".join(map(str, self.sizes)), str(self.batch_size)]
        if self.optimizer != "adam":
            parts.append(self.optimizer)
        if self.activation != "relu":
            parts.append(self.activation)
        return ", ".join(parts)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, units) of each layer."""
        return list(pairwise(self.sizes))

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum((inputs + 1) * units for inputs, units in self.layers)

    @property
    def state_bytes(self) -> int:
        """Size of the parameters and of the optimizer's state."""
        return 4 * self.parameters * (1 + STATE_VECTORS[self.optimizer])

    @property
    def step_flops(self) -> int:
        """Least floating-point operations of a step: the first layer needs no dX."""
        products = [2 * self.batch_size * inputs * units for inputs, units in self.layers]
        return 2 * products[0] + 3 * sum(products[1:])

    @property
    def steps(self) -> int:
        """Minibatches in an epoch."""
        return int(np.clip(EPOCH_FLOPS / self.step_flops, STEPS[0], STEPS[-1]))

    def data(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Rows of inputs and their classes."""
        rng = np.random.default_rng(0)
        shape = (self.steps * self.batch_size, self.sizes[0])
        X = rng.standard_normal(shape, dtype=np.float32)
        teacher = rng.standard_normal((self.sizes[0], self.sizes[-1]), dtype=np.float32)
        return X, (X @ teacher).argmax(axis=1)


TABLE = [
    Task((8, 32, 32, 2), 32),
    Task((64, 100, 10), 200),
    Task((784, 128, 64, 10), 64),
    Task((784, 1024, 1024, 10), 128),
    Task((2048, 2048, 2048, 2048), 256),
]

TASKS = [
    *TABLE,
    Task((128, 128, 128, 128, 128, 128, 10), 64),  # deep and narrow
    Task((45, 201, 100, 7), 50),  # ragged
    Task((100, 4096, 10), 128),  # wide
    Task((784, 128, 10), 1),
    Task((784, 256, 10), 4096),
    Task((784, 128, 64, 10), 64, optimizer="sgd"),
    Task((784, 128, 64, 10), 64, optimizer="rmsprop"),
    Task((784, 128, 64, 10), 64, activation="tanh"),
    Task((784, 128, 64, 10), 64, activation="gelu"),
]
