"""The learning rate falls when a number of the epochs no longer becomes better."""

from __future__ import annotations

import sys
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

from descend.callbacks.callback import Callback, count_or_none
from descend.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from descend.progress import EpochReport
    from descend.trainer import Trainer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by ``factor`` after ``patience`` epochs without a better value.

    These are the rules of Keras's callback; PyTorch's waits for one epoch more. The rate must be a
    number: schedules and callables go by steps. `History.learning_rate` shows what became of it.

    Parameters
    ----------
    monitor, mode : str
        As for `EarlyStopping`.
    factor : float
        In (0, 1).
    patience : int
        Epochs without a better value, at least 1.
    min_delta : float
        By how much a value must be better than the best one so far, at least 0.
    cooldown : int
        Epochs after a reduction that do not count as without a better value.
    min_learning_rate : float
        The rate does not fall below this, at least 0.
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        cooldown: int = 0,
        min_learning_rate: float = 0.0,
        mode: str = "auto",
    ) -> None:
        self._factor = _number("factor", factor, "in (0, 1)", lambda x: 0 < x < 1)
        self._min_learning_rate = _number(
            "min_learning_rate",
            min_learning_rate,
            "at least 0 and within the range of floats",
            lambda x: 0 <= x <= sys.float_info.max,
        )
        if patience is None or cooldown is None:
            raise TypeError("ReduceLROnPlateau: patience and cooldown must be whole numbers.")
        self._patience = count_or_none("ReduceLROnPlateau", "patience", patience) or 0
        self._cooldown = count_or_none("ReduceLROnPlateau", "cooldown", cooldown, least=0) or 0
        self._settings = ("ReduceLROnPlateau", monitor, mode, min_delta)
        self._begin()

    def _begin(self) -> None:
        self._monitor = Monitor(*self._settings)
        self._epochs_since = 0
        self._cooldown_left = 0

    def on_train_begin(self, trainer: Trainer) -> None:
        self._begin()
        _rate_of(trainer)

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        if self._cooldown_left > 0:
            self._cooldown_left -= 1
            self._epochs_since = 0
        if self._monitor.improved(report):
            self._epochs_since = 0
        elif self._cooldown_left == 0:
            self._epochs_since += 1
        if self._epochs_since >= self._patience:
            self._epochs_since = 0
            self._reduce(trainer)

    def _reduce(self, trainer: Trainer) -> None:
        rate = _rate_of(trainer)
        reduced = max(rate * self._factor, self._min_learning_rate)
        if 0 < reduced < rate:
            trainer.learning_rate = reduced
            self._cooldown_left = self._cooldown

    def get_state(self) -> dict[str, Any]:
        return {
            "best": self._monitor.best,
            "epochs_since": self._epochs_since,
            "cooldown_left": self._cooldown_left,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._monitor.best = state["best"]
        self._epochs_since = state["epochs_since"]
        self._cooldown_left = state["cooldown_left"]


def _number(name: str, value: float, expected: str, fits: Callable[[float], bool]) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"ReduceLROnPlateau: {name} must be a number, got {value!r}.")
    if not fits(value):
        raise ValueError(f"ReduceLROnPlateau: {name} must be {expected}, got {value!r}.")
    return float(value)


def _rate_of(trainer: Trainer) -> float:
    rate = trainer.learning_rate
    if not isinstance(rate, float):
        raise ValueError(
            f"ReduceLROnPlateau: the trainer's learning rate is {rate!r}, which goes by steps; "
            "give the optimizer a number."
        )
    return rate
