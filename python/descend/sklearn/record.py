"""The record of one run, epoch after epoch."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import descend as ds

if TYPE_CHECKING:
    from descend.sklearn.stochastic import Run
    from descend.sklearn.validation import Measured


class Record:
    """What a run has given so far.

    Attributes
    ----------
    stop_reason : str
        ``"epochs"`` unless something else ended the run.
    loss, learning_rate : list of float
        Of each epoch, and of its last step.
    measured : Measured or None
        On the validation rows, after the last epoch.
    """

    def __init__(self, run: Run) -> None:
        self.stop_reason = "epochs"
        self._begin = perf_counter()
        self._run = run
        self._steps_before = run.trainer.steps
        self.loss: list[float] = []
        self.learning_rate: list[float] = []
        self._validation_loss: list[float] = []
        self._validation_metrics: dict[str, list[float]] = {}
        self.measured: Measured | None = None

    def epoch_ended(self, loss: float, measured: Measured | None) -> None:
        """Take an epoch down."""
        self.measured = measured
        self.loss.append(loss)
        self.learning_rate.append(self._run.last_learning_rate())
        if measured is not None:
            self._validation_loss.append(measured.loss)
            for name, value in measured.metrics.items():
                self._validation_metrics.setdefault(name, []).append(value)

    @property
    def steps(self) -> int:
        """Optimizer steps so far."""
        return self._run.trainer.steps - self._steps_before

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return perf_counter() - self._begin

    def history(self) -> ds.History:
        """Return all of it."""
        return ds.History(
            loss=self.loss,
            validation_loss=self._validation_loss,
            steps=self.steps,
            seconds=self.seconds,
            stop_reason=self.stop_reason,
            validation_metrics=self._validation_metrics,
            learning_rate=self.learning_rate,
        )
