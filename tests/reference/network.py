"""A feed-forward network: forward pass and backpropagation.

x (rows, inputs)   w (inputs, units)   b (units)   z = x w + b   a = f(z)
d_v stands for dJ/dv
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reference import initializers
from reference.activations import ACTIVATIONS
from reference.losses import loss_and_gradient


@dataclass(frozen=True)
class Layer:
    units: int
    activation: str = "identity"
    dropout: float = 0.0


class Network:
    """Dense layers over float64 ``parameters``: a list of [weights, bias]."""

    def __init__(
        self,
        inputs,
        layers,
        parameters=None,
        *,
        init="glorot_uniform",
        seed=0,
        dtype=np.float64,
        input_dropout=0.0,
    ):
        self.inputs = inputs
        self.layers = list(layers)
        self.input_dropout = input_dropout
        self.dtype = dtype
        if parameters is None:
            parameters = self._initial_parameters(init, seed)
        self.parameters = [[np.array(p, np.float64) for p in pair] for pair in parameters]

    def _initial_parameters(self, init, seed):
        widths = [self.inputs, *(layer.units for layer in self.layers)]
        return [
            (initializers.draw(init, n, m, index, seed, self.dtype), np.zeros(m))
            for index, (n, m) in enumerate(pairwise(widths))
        ]

    @property
    def dropout_rates(self):
        """The rate at each dense layer's input."""
        return [self.input_dropout, *(layer.dropout for layer in self.layers[:-1])]

    def _forward(self, x, masks):
        """Return each layer's input, its z, and the last a."""
        passed = []
        a = np.asarray(x, np.float64)
        for (w, b), layer, mask in zip(self.parameters, self.layers, masks, strict=True):
            x = a if mask is None else a * mask
            z = x @ w + b
            a = ACTIVATIONS[layer.activation].f(z)
            passed.append((x, z))
        return passed, a

    def predict(self, x):
        return self._forward(x, [None] * len(self.layers))[1]

    def loss_and_gradient(self, x, y, loss, sample_weight=None, masks=None):
        """Return J and [(d_w, d_b), ...]; ``masks`` multiply each dense layer's input."""
        masks = masks or [None] * len(self.layers)
        passed, a = self._forward(x, masks)
        j, d_a = loss_and_gradient(loss, a, y, sample_weight)
        gradient = []
        for (x, z), (w, _), layer, mask in zip(
            passed[::-1], self.parameters[::-1], self.layers[::-1], masks[::-1], strict=True
        ):
            d_z = d_a * ACTIVATIONS[layer.activation].derivative(z)
            gradient.append((x.T @ d_z, d_z.sum(axis=0)))
            d_a = d_z @ w.T
            if mask is not None:
                d_a = d_a * mask
        return j, gradient[::-1]
