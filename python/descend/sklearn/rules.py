"""What differs between the classifier and the regressor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sklearn.base import BaseEstimator

from descend.sklearn.objective import Objective
from descend.sklearn.rows import Array


class Rules(BaseEstimator, ABC):
    """An estimator's rules: which targets it takes, what it minimises, how it scores."""

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """Check the data; return y as (rows,) or (rows, columns), of several classes places."""

    @abstractmethod
    def _validate_eval_set(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Check other data against those fitted to; return y as ``_validate_input`` does."""

    @abstractmethod
    def _outputs_for(self, y: Array) -> int:
        """Return how many outputs the network needs for y (rows, columns)."""

    @abstractmethod
    def _objective(self) -> Objective:
        """Return the loss that is minimised."""

    def _loss_options(self) -> dict[str, Any]:
        """Return what of it is the trainer's, by the trainer's name."""
        return {}

    @abstractmethod
    def _targets(self, y: Array, dtype: str) -> Array:
        """Return y (rows, columns) as the core takes it."""

    @abstractmethod
    def _outputs(self, z: Array) -> Array:
        """Apply the output activation to the network's raw outputs."""

    def _for_metrics(self, z: Array, targets: Array) -> tuple[Array, Array, str]:
        """Return outputs, targets and the loss by which ``descend.metric`` reads them."""
        return z, targets, self._objective().name

    @abstractmethod
    def _score_rows(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        """Score the network's outputs for y: accuracy, or R^2."""

    @abstractmethod
    def _validation_targets(self, y: Array) -> Array:
        """Return y (rows, columns) of rows set aside as ``_score_rows`` takes it."""

    @abstractmethod
    def _out_activation(self) -> str:
        """Return the name of the output activation."""
