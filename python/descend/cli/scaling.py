"""Standardised training for networks that take and give raw values.

    z = (x - mean) gain,  gain = 1 / standard deviation, or 0 where x is constant

Training sees z; afterwards the scaling is folded into the weights, so that nothing but the
network itself is needed to predict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from descend.cli.errors import DataError
from descend.network import Network

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Scaling", "fold", "measure"]


@dataclass(frozen=True)
class Scaling:
    """Mean and gain of each column of a (rows, columns) matrix, or of one column alone."""

    mean: NDArray[np.float64]
    gain: NDArray[np.float64]

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardise each column."""
        scaled: NDArray[np.float64] = (values - self.mean) * self.gain
        return scaled


def measure(values: NDArray[np.float64], *, one_unit: bool = False) -> Scaling:
    """Take mean and gain from the training rows.

    Columns of one unit share one gain: a pixel that is almost always 0 would else be blown up.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = values.mean(axis=0), values.std(axis=0)
    if not np.isfinite(deviation).all():
        raise DataError("the numbers are too large to standardise; scale them down first.")
    # Rounding leaves a constant column a deviation near 0, not at 0.
    varies = (values.min(axis=0) != values.max(axis=0)) & (deviation > 0)
    if one_unit:
        deviation = np.full_like(deviation, np.sqrt((deviation**2).mean()))
    if not varies.any():
        raise DataError("the training rows are all alike: there is nothing to learn.")
    return Scaling(mean, np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0))


def fold(network: Network, inputs: Scaling, target: Scaling | None) -> Network:
    """Give the network of raw inputs, and of raw outputs where the target was scaled.

    It is in float64: a mean far above the deviation would cancel badly in float32.
    """
    parameters = [
        (weights.astype(np.float64), bias.astype(np.float64))
        for weights, bias in network.parameters()
    ]
    weights, bias = parameters[0]
    weights = inputs.gain[:, np.newaxis] * weights
    parameters[0] = (weights, bias - inputs.mean @ weights)
    if target is not None:
        weights, bias = parameters[-1]
        parameters[-1] = (weights / target.gain, bias / target.gain + target.mean)

    folded = Network(network.inputs, network.layers, network.init, network.seed, "float64")
    folded.set_parameters(parameters)
    return folded
