"""The rows that are held out of a run, and what is measured on them after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import descend as ds
from descend.sklearn.rows import Array

if TYPE_CHECKING:
    from descend.sklearn.epoch_estimator import EpochEstimator
    from descend.sklearn.stochastic import Run

Metric = str | Callable[[Array, Array], float]


@dataclass(frozen=True)
class Measured:
    """What one epoch gave on the validation rows; NaN where outputs are not finite."""

    score: float = np.nan
    loss: float = np.nan
    metrics: dict[str, float] = field(default_factory=dict)


class Validation:
    """Checked rows, whose score, loss and metrics are taken by an estimator's rules."""

    def __init__(
        self, model: EpochEstimator, X: Any, y: Array, sample_weight: Array | None
    ) -> None:
        self._model = model
        self._X = X
        self._labels = model._validation_targets(y)
        self._targets = model._targets(y, str(model.coefs_[0].dtype))
        self._weight = sample_weight
        self._objective = model._objective()
        self._constant = self._objective.constant(y)
        self._metrics = {_name(metric): metric for metric in model.metrics or ()}

    def measure(self, run: Run) -> Measured:
        """Measure a run's network on the rows."""
        nothing = Measured(metrics=dict.fromkeys(self._metrics, np.nan))
        if run.diverged:
            return nothing
        outputs = self._model._raw_outputs(self._X, run.network())
        score = self._model._score_rows(self._model._outputs(outputs), self._labels, self._weight)
        if not np.isfinite(outputs).all():
            return replace(nothing, score=score)
        j, _ = ds.ops.loss(self._objective.name, outputs, self._targets, self._weight)
        loss = j / self._objective.divisor
        if self._constant is not None:
            loss += float(np.average(self._constant, weights=self._weight))
        metrics = {name: self._value(metric, outputs) for name, metric in self._metrics.items()}
        return Measured(score, loss, metrics)

    def _value(self, metric: Metric, outputs: Array) -> float:
        if callable(metric):
            return float(metric(outputs, self._targets))
        outputs, targets, loss = self._model._for_metrics(outputs, self._targets)
        return ds.metric(metric, outputs, targets, self._weight, loss=loss)


def _name(metric: Metric) -> str:
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "__name__", type(metric).__name__))
