"""A run ends when a number of its epochs no longer becomes better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from descend.callbacks.callback import Callback, count_or_none
from descend.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from descend.history import History
    from descend.progress import EpochReport
    from descend.trainer import Trainer

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Ends the run ``patience`` epochs after the best one; ``stop_reason`` is ``"interrupted"``.

    ``Stop(patience=...)`` does this in the core for the validation loss. Prechelt (1998).

    Parameters
    ----------
    monitor : str
        ``"loss"``, ``"validation_loss"``, the name of a metric of ``fit``, or ``"validation_"``
        and that name.
    patience : int
        Epochs without a better value, at least 1.
    min_delta : float
        By how much a value must be better than the best one so far, at least 0.
    mode : {"auto", "min", "max"}
        Which way is better; ``"auto"`` knows losses, errors and ``descend.metrics()``.
    restore_best : bool
        Put the best epoch's parameters back when the run has ended without an exception.

    Attributes
    ----------
    best : float or None
        The best value so far.
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ) -> None:
        if patience is None:
            raise TypeError("EarlyStopping: patience must be a whole number, got None.")
        self._patience = count_or_none("EarlyStopping", "patience", patience) or 0
        self._settings = ("EarlyStopping", monitor, mode, min_delta)
        self._restore_best = restore_best
        self._begin()

    def _begin(self) -> None:
        self._monitor = Monitor(*self._settings)
        self._epochs_since = 0
        self._parameters: list[Any] | None = None

    @property
    def best(self) -> float | None:
        return self._monitor.best

    def on_train_begin(self, trainer: Trainer) -> None:
        self._begin()

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> bool:
        if self._monitor.improved(report):
            self._epochs_since = 0
            if self._restore_best:
                self._parameters = trainer.network.parameters()
        else:
            self._epochs_since += 1
        return self._epochs_since < self._patience

    def on_train_end(self, trainer: Trainer, history: History) -> None:
        if self._parameters is not None:
            trainer.network.set_parameters(self._parameters)
            self._parameters = None

    def get_state(self) -> dict[str, Any]:
        return {
            "best": self._monitor.best,
            "epochs_since": self._epochs_since,
            "parameters": self._parameters,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._monitor.best = state["best"]
        self._epochs_since = state["epochs_since"]
        parameters = state["parameters"]
        self._parameters = None if parameters is None else [(w, b) for w, b in parameters]
