"""The network that predicts with an estimator's public parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.network import Network
from descend.sklearn.rows import Array


class CurrentNetwork:
    """A network of the core, kept from call to call while the parameters stay what they are.

    The parameters are arrays that anybody may write into, so their values are compared each time:
    a fraction of what a new network costs. A copy or a pickle starts without one.
    """

    def __init__(self) -> None:
        # Replaced as a whole: another thread may be predicting.
        self._kept: tuple[Network, list[Array], list[str]] | None = None

    def of(
        self, parameters: list[Array], activations: list[str], make: Callable[[], Network]
    ) -> Network:
        """Return the network of these parameters, made by ``make`` where it is not at hand."""
        if self._kept is not None:
            network, known, known_activations = self._kept
            if activations == known_activations and _are_equal(parameters, known):
                return network
        copies = [np.array(part) for part in parameters]
        network = make()
        self._kept = network, copies, activations
        return network

    def __reduce__(self) -> tuple[Any, ...]:
        return CurrentNetwork, ()


def _are_equal(parameters: list[Array], known: list[Array]) -> bool:
    return len(parameters) == len(known) and all(
        part.dtype == other.dtype and np.array_equal(part, other)
        for part, other in zip(parameters, known, strict=True)
    )
