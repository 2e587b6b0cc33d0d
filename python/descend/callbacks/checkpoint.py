"""The trainer written to a file now and then, to go on from after a crash."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from descend.callbacks.callback import Callback, count_or_none
from descend.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from descend.progress import EpochReport, StepReport
    from descend.trainer import Trainer

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Saves the trainer with its run; ``Trainer.load`` and ``fit`` go on to the same bits.

    It is called behind all other callbacks, so that the file holds what they have done by then.
    The file is replaced atomically: a crash while it is written leaves the earlier one whole.

    Parameters
    ----------
    path : str or path
        The file; ``{epoch}`` and ``{step}`` in it are ``trainer.epoch`` and ``trainer.steps``, the
        epochs and steps done.
    every_n_epochs : int or None
        After each epoch whose number is a multiple of this; ``None``: after none.
    every_n_steps : int, optional
        After each step whose number is a multiple of this too.
    save_best_only : bool
        After an epoch only where ``monitor`` is better than ever.
    monitor, mode : str
        As for `EarlyStopping`.
    """

    comes_last = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        every_n_epochs: int | None = 1,
        every_n_steps: int | None = None,
        *,
        save_best_only: bool = False,
        monitor: str = "validation_loss",
        mode: str = "auto",
    ) -> None:
        self._path = os.fspath(path)
        if not isinstance(self._path, str):
            raise TypeError(f"Checkpoint: path must be a str or a path, got {path!r}.")
        self._every_n_epochs = count_or_none("Checkpoint", "every_n_epochs", every_n_epochs)
        self.every_n_steps = count_or_none("Checkpoint", "every_n_steps", every_n_steps)
        if self._every_n_epochs is None and self.every_n_steps is None:
            raise ValueError(
                "Checkpoint: every_n_epochs and every_n_steps are both None: it would never save."
            )
        self._settings = ("Checkpoint", monitor, mode) if save_best_only else None
        self._begin()
        self._file(0, 0)

    def _begin(self) -> None:
        self._monitor = None if self._settings is None else Monitor(*self._settings)

    def _file(self, epoch: int, step: int) -> str:
        try:
            return self._path.format(epoch=epoch, step=step)
        except (AttributeError, IndexError, KeyError, ValueError) as error:
            raise ValueError(
                f"Checkpoint: path {self._path!r} may have {{epoch}} and {{step}} in braces, and "
                "{{ and }} for braces of its own."
            ) from error

    def _save(self, trainer: Trainer) -> None:
        trainer.save(self._file(trainer.epoch, trainer.steps))

    def on_train_begin(self, trainer: Trainer) -> None:
        self._begin()
        folder = os.path.dirname(self._file(trainer.epoch, trainer.steps)) or "."
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"Checkpoint: there is no folder {folder!r}; make it first.")

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        self._save(trainer)

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        if self._every_n_epochs is None or report.epoch % self._every_n_epochs != 0:
            return
        if self._monitor is None or self._monitor.improved(report):
            self._save(trainer)

    def get_state(self) -> dict[str, Any]:
        return {} if self._monitor is None else {"best": self._monitor.best}

    def set_state(self, state: dict[str, Any]) -> None:
        if self._monitor is not None:
            self._monitor.best = state["best"]
