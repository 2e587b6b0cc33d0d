"""The training loss as scikit-learn reports it."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import xlogy

from descend.sklearn.rows import Array


@dataclass(frozen=True)
class Objective:
    """A loss of the core, and what turns its J into scikit-learn's loss."""

    name: str
    n_outputs: int

    @property
    def divisor(self) -> int:
        """J sums over the outputs; scikit-learn's regression errors are their mean."""
        return self.n_outputs if self.name in ("squared_error", "absolute_error", "huber") else 1

    def constant(self, y: Array) -> Array | None:
        """What each row's loss has beyond J: the terms of the Poisson deviance without outputs."""
        if self.name != "poisson":
            return None
        constant: Array = (xlogy(y, y) - y).sum(axis=1)
        return constant
