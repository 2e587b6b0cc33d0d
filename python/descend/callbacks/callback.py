"""The protocol of callbacks, and one made of functions."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from descend.history import History
    from descend.progress import EpochReport, StepReport
    from descend.trainer import Trainer

__all__ = ["Callback", "LambdaCallback", "count_or_none"]


class Callback:
    """What ``Trainer.fit(callbacks=[...])`` calls; a subclass overrides what it needs.

    Between two steps a callback may save the trainer, use its network, read its attributes and set
    ``trainer.learning_rate``; a call that trains raises ``RuntimeError``. An exception of a
    callback ends the run and is that of ``fit``.

    Attributes
    ----------
    every_n_steps : int or None
        ``on_step_end`` is called after each step whose number, ``trainer.steps``, is a multiple of
        this; ``None``: never, which costs nothing.
    comes_last : bool
        Whether this one is called behind those for which it is False, such as one that saves what
        they have done. Otherwise callbacks are called in the order given.
    """

    every_n_steps: int | None = None
    comes_last: bool = False

    def on_train_begin(self, trainer: Trainer) -> None:
        """Begin a run, or go on with a loaded trainer's unfinished one; ``set_state`` follows."""

    def on_step_end(self, trainer: Trainer, report: StepReport) -> object:
        """Return ``False`` to end the run, and its epoch, after this step."""

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> object:
        """Return ``False`` to end the run after this epoch."""

    def on_train_end(self, trainer: Trainer, history: History) -> None:
        """End a run that ended without an exception; the trainer may train again."""

    def close(self) -> None:
        """Let go of what the callback holds, such as files; called last, whatever ended the run."""

    def get_state(self) -> dict[str, Any]:
        """Return what a run needs to go on from here, for the trainer's file.

        Values are those of JSON, and arrays of float32 and float64, in lists and dicts of strings.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what ``get_state`` returned when the trainer, loaded since, was saved."""


class LambdaCallback(Callback):
    """A callback of functions.

    Parameters
    ----------
    on_train_begin : callable, optional
        Called as ``on_train_begin(trainer)``.
    on_step_end, on_epoch_end : callable, optional
        Called as ``on_epoch_end(trainer, report)``; ``False`` ends the run.
    on_train_end : callable, optional
        Called as ``on_train_end(trainer, history)``.
    every_n_steps : int, optional
        How often ``on_step_end`` is called; 1 by default.
    """

    def __init__(
        self,
        *,
        on_train_begin: Callable[[Trainer], object] | None = None,
        on_step_end: Callable[[Trainer, StepReport], object] | None = None,
        on_epoch_end: Callable[[Trainer, EpochReport], object] | None = None,
        on_train_end: Callable[[Trainer, History], object] | None = None,
        every_n_steps: int | None = None,
    ) -> None:
        functions = (on_train_begin, on_step_end, on_epoch_end, on_train_end)
        for function in functions:
            if function is not None and not callable(function):
                raise TypeError(f"LambdaCallback: expected callables or None, got {function!r}.")
        every_n_steps = count_or_none("LambdaCallback", "every_n_steps", every_n_steps)
        if on_step_end is not None:
            self.every_n_steps = every_n_steps or 1
        self._on_train_begin = on_train_begin
        self._on_step_end = on_step_end
        self._on_epoch_end = on_epoch_end
        self._on_train_end = on_train_end

    def on_train_begin(self, trainer: Trainer) -> None:
        if self._on_train_begin is not None:
            self._on_train_begin(trainer)

    def on_step_end(self, trainer: Trainer, report: StepReport) -> object:
        return None if self._on_step_end is None else self._on_step_end(trainer, report)

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> object:
        return None if self._on_epoch_end is None else self._on_epoch_end(trainer, report)

    def on_train_end(self, trainer: Trainer, history: History) -> None:
        if self._on_train_end is not None:
            self._on_train_end(trainer, history)


def count_or_none(where: str, what: str, value: int | None, least: int = 1) -> int | None:
    """Return a whole number of at least ``least``, or None; raise where it is neither."""
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{where}: {what} must be a whole number or None, got {value!r}.")
    if value < least:
        raise ValueError(f"{where}: {what} must be at least {least}, got {value}.")
    return int(value)
