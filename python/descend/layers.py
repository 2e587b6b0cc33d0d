"""Layers of a network, as plain values: the core checks them when a network is built."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Dense", "Dropout", "Layer"]


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, ``a = f(x w + b)``.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    activation : str
        The function ``f``, one of ``descend.activations()``.
    """

    units: int
    activation: str = "identity"


@dataclass(frozen=True)
class Dropout:
    """Inverted dropout of the values that reach it, while training only.

    Parameters
    ----------
    rate : float
        Fraction of the values set to 0, in [0, 1); the others are divided by ``1 - rate``.

    Notes
    -----
    It stands first (on the inputs) or behind a `Dense` that is not the last. Which values are
    dropped depends on the trainer's seed, the epoch, the layer and the row alone.
    Srivastava et al. (2014).
    """

    rate: float


Layer = Dense | Dropout
