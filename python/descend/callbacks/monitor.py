"""One number of each epoch's report, and whether it has become better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from descend import _core
from descend.callbacks.values import VALIDATION, values_of

if TYPE_CHECKING:
    from descend.progress import EpochReport

__all__ = ["Monitor"]


class Monitor:
    """Watches ``loss``, ``validation_loss``, a metric, or ``validation_`` and a metric.

    ``mode`` says which way is better: ``"min"``, ``"max"``, or ``"auto"``, which knows losses,
    errors and the metrics of ``descend.metrics()``.
    """

    def __init__(self, owner: str, name: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{owner}: monitor must be a name, got {name!r}.")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{owner}: mode must be 'auto', 'min' or 'max', got {mode!r}.")
        if not 0 <= min_delta < math.inf:
            raise ValueError(
                f"{owner}: min_delta must be a finite number of at least 0, got {min_delta!r}."
            )
        self._owner, self._name, self._min_delta = owner, name, min_delta
        self._sign = {"min": 1.0, "max": -1.0}.get(mode) or _sign_of(owner, name)
        self.best: float | None = None

    def improved(self, report: EpochReport) -> bool:
        """Take the epoch's value; return whether it is better than the best by ``min_delta``."""
        value = self._value(report)
        better = not math.isnan(value) and (
            self.best is None or self._sign * (self.best - value) > self._min_delta
        )
        if better:
            self.best = value
        return better

    def _value(self, report: EpochReport) -> float:
        values = values_of(report)
        if self._name not in values:
            raise ValueError(
                f"{self._owner}: there is no {self._name!r} to monitor; there are "
                f"{', '.join(values)}. Those of validation need validation_data, and metrics the "
                "argument metrics of fit."
            )
        return values[self._name]


def _sign_of(owner: str, name: str) -> float:
    if name.endswith(("loss", "error")):
        return 1.0
    known = name.removeprefix(VALIDATION)
    if known in _core.metrics() or (known.startswith("top_") and known.endswith("_accuracy")):
        return -1.0
    raise ValueError(
        f"{owner}: is a larger or a smaller {name!r} better? Say mode='max' or mode='min'."
    )
