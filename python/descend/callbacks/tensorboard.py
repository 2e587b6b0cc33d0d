"""The numbers of a run as curves in TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from descend.callbacks.callback import Callback, count_or_none
from descend.callbacks.values import values_of

if TYPE_CHECKING:
    from descend.progress import EpochReport, StepReport
    from descend.trainer import Trainer

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes losses, metrics and the learning rate as scalars over ``trainer.steps``.

    Needs tensorboardX, ``pip install "descend[tensorboard]"``, or PyTorch's. A loaded trainer's run
    goes on in the folder: what was written after the file it came from is hidden.

    Parameters
    ----------
    folder : str or path
        Where the event files go; ``tensorboard --logdir folder`` shows them.
    every_n_steps : int, optional
        Write ``step/loss`` and ``step/learning_rate`` as often too.

    Raises
    ------
    ImportError
        If neither tensorboardX nor PyTorch's writer is installed.
    """

    def __init__(self, folder: str | os.PathLike[str], every_n_steps: int | None = None) -> None:
        self._folder = os.fspath(folder)
        self.every_n_steps = count_or_none("TensorBoard", "every_n_steps", every_n_steps)
        self._make_writer = _summary_writer()
        self._writer: Any = None

    def on_train_begin(self, trainer: Trainer) -> None:
        goes_on = trainer.unfinished_run is not None
        self._writer = self._make_writer(
            self._folder, purge_step=trainer.steps + 1 if goes_on else None
        )

    def on_step_end(self, trainer: Trainer, report: StepReport) -> None:
        self._writer.add_scalar("step/loss", report.loss, report.step)
        self._writer.add_scalar("step/learning_rate", report.learning_rate, report.step)

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        values = values_of(report)
        values["learning_rate"] = report.learning_rate
        values["epoch"] = report.epoch
        for name, value in values.items():
            self._writer.add_scalar(name, value, trainer.steps)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _summary_writer() -> Callable[..., Any]:
    for module in ("tensorboardX", "torch.utils.tensorboard"):
        try:
            writer: Callable[..., Any] = import_module(module).SummaryWriter
        except ImportError:
            continue
        return writer
    raise ImportError('TensorBoard needs tensorboardX: pip install "descend[tensorboard]".')
