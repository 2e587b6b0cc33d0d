"""The solver 'lbfgs': SciPy's L-BFGS-B over the core's loss and gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from threadpoolctl import threadpool_limits

from descend.network import Network
from descend.sklearn.objective import Objective
from descend.sklearn.rows import Array, core_rows


def minimise(
    network: Network,
    objective: Objective,
    X: Any,
    y: Array,
    sample_weight: Array | None,
    *,
    alpha: float,
    threads: int | None,
    options: dict[str, Any],
) -> tuple[OptimizeResult, list[tuple[Array, Array]]]:
    """Minimise the mean loss with its L2 penalty, from the network's parameters on.

    Returns SciPy's result and the parameters found, which may not be finite.
    """
    X = core_rows(X)
    weights = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    total = float(weights.sum())
    shapes = [(w.shape, b.shape) for w, b in network.parameters()]
    extra = objective.constant(y)
    constant = 0.0 if extra is None else float(weights @ extra) / total

    def loss_and_gradient(theta: Array) -> tuple[float, Array]:
        if not np.isfinite(theta).all():
            return np.nan, np.full_like(theta, np.nan)
        network.set_parameters(_layers(theta, shapes))
        j, layers = network.loss_and_gradient(X, y, objective.name, sample_weight, threads)
        loss, gradient = constant + j / objective.divisor, _flat(layers)
        for (w, _), (d_w, _) in zip(_layers(theta, shapes), _layers(gradient, shapes), strict=True):
            loss += 0.5 * alpha / total * float(np.vdot(w, w))
            d_w += alpha / total * w
        return loss, gradient

    start = _flat(network.parameters())
    # The solver's own sums gain nothing from BLAS threads, which go on spinning after each one and
    # take the processors from the core's.
    with threadpool_limits(limits=1, user_api="blas"):
        result = minimize(loss_and_gradient, start, method="L-BFGS-B", jac=True, options=options)
    return result, _layers(result.x, shapes)


def _flat(layers: list[tuple[Array, Array]]) -> Array:
    return np.concatenate([part.ravel() for pair in layers for part in pair])


def _layers(flat: Array, shapes: list[tuple[Any, Any]]) -> list[tuple[Array, Array]]:
    """Views of ``flat`` as each layer's weights and bias."""
    layers, begin = [], 0
    for (inputs, units), _ in shapes:
        bias = begin + inputs * units
        layers.append((flat[begin:bias].reshape(inputs, units), flat[bias : bias + units]))
        begin = bias + units
    return layers
