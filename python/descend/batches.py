"""Minibatches of the caller's own, epoch after epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from numbers import Integral
from typing import Any

__all__ = ["Batches", "batches_of"]

#: ``(X, y)`` or ``(X, y, sample_weight)``, one a step; or a function that returns an iterable.
Batches = Iterable[Any] | Callable[[], Iterable[Any]]


def batches_of(batches: Any, sample_weight: Any, epochs: Any) -> Callable[[], Iterator[Any]]:
    """Return what begins an epoch. Raise where ``fit`` has been given something else."""
    is_array = any(hasattr(batches, name) for name in ("__array__", "columns", "tocsr"))
    if is_array or batches is None or isinstance(batches, str | bytes):
        raise TypeError(
            "Trainer.fit: y is missing: give fit(X, y), or an iterable of batches (X, y)."
        )
    if sample_weight is not None:
        raise ValueError("Trainer.fit: sample_weight goes into the batches: (X, y, sample_weight).")
    if hasattr(batches, "__next__"):
        if isinstance(epochs, Integral) and int(epochs) > 1:
            raise ValueError(
                f"Trainer.fit: batches is a {type(batches).__name__}, which gives them once, but "
                f"epochs is {epochs}; give a function that returns a fresh one for each epoch, or "
                "an object whose __iter__ does."
            )
        return lambda: iter(batches)
    if hasattr(batches, "__iter__"):
        return lambda: iter(batches)
    if callable(batches):
        return lambda: _iterator(batches())
    raise TypeError(
        "Trainer.fit: without y, the first argument must be an iterable of batches (X, y), or a "
        f"function that returns one, got {type(batches).__name__}."
    )


def _iterator(returned: Any) -> Iterator[Any]:
    if not hasattr(returned, "__iter__"):
        raise TypeError(
            "Trainer.fit: the function of batches must return an iterable of (X, y), got "
            f"{type(returned).__name__}."
        )
    return iter(returned)
