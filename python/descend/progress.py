"""What is shown while a network trains: nothing, a bar, lines, or whatever the caller does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["EpochReport", "Progress", "StepReport", "epoch_lines", "watching"]


@dataclass(frozen=True)
class EpochReport:
    """What one finished epoch gave.

    Parameters
    ----------
    epoch : int
        From 1, over the trainer's life.
    loss : float
        Mean training loss over the rows visited.
    validation_loss : float or None
        Loss on the validation rows after the epoch, where they were given.
    metrics, validation_metrics : dict of str to float
        By name, of the rows visited and of the validation rows; those that ``fit`` was asked for.
    learning_rate : float
        Of the epoch's last step.
    rows : int
        Rows visited in this epoch.
    steps : int
        Optimizer steps in this run so far.
    seconds : float
        Of this run so far.
    """

    epoch: int
    loss: float
    validation_loss: float | None
    learning_rate: float
    rows: int
    steps: int
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    validation_metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StepReport:
    """What one optimizer step gave.

    Parameters
    ----------
    step : int
        From 1, over the trainer's life.
    epoch : int
        The one at work, from 1, over the trainer's life.
    loss : float
        Of the step's minibatch, before its update and with the penalty.
    learning_rate : float
        Of the step.
    rows : int
        Rows visited in this epoch so far.
    seconds : float
        Of this run so far.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    rows: int
    seconds: float


#: Called after each epoch; a false result other than None ends the run.
Progress = Callable[[EpochReport], object]


def epoch_lines(epochs: int, done: int = 0) -> Progress:
    """Write one line an epoch to standard error, the first ``done`` of them being written."""
    speed = _Speed()

    def write(report: EpochReport) -> None:
        nonlocal done
        done += 1
        losses = "  ".join(f"{name} {value:.5f}" for name, value in _losses(report).items())
        print(f"epoch {done}/{epochs}  {losses}  {speed(report)}", file=sys.stderr, flush=True)

    return write


@contextmanager
def watching(
    progress: bool | Progress | None, epochs: int
) -> Iterator[Callable[[dict[str, Any]], bool] | None]:
    """Give the core's per-epoch callback for what the caller of ``fit`` asked to see.

    ``True`` means a tqdm bar where tqdm is installed and lines where it is not.
    """
    if progress is None or progress is False:
        yield None
    elif callable(progress):
        yield _callback(progress)
    elif progress is True:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            yield _callback(epoch_lines(epochs))
            return
        with tqdm(total=epochs, unit="epoch") as bar:
            yield _callback(_epoch_bar(bar))
    else:
        raise TypeError(
            "Trainer.fit: progress must be None, True, or a callable that takes an EpochReport, "
            f"got {progress!r}."
        )


def _callback(progress: Progress) -> Callable[[dict[str, Any]], bool]:
    def on_epoch(report: dict[str, Any]) -> bool:
        result = progress(EpochReport(**report))
        return result is None or bool(result)

    return on_epoch


def _epoch_bar(bar: Any) -> Progress:
    speed = _Speed()

    def advance(report: EpochReport) -> None:
        losses = ", ".join(f"{name} {value:.4f}" for name, value in _losses(report).items())
        bar.set_postfix_str(f"{losses}, {speed(report)}", refresh=False)
        bar.update()

    return advance


def _losses(report: EpochReport) -> dict[str, float]:
    losses = {"loss": report.loss}
    if report.validation_loss is not None:
        losses["validation"] = report.validation_loss
    losses.update(report.metrics)
    losses.update({f"validation {name}": x for name, x in report.validation_metrics.items()})
    return losses


class _Speed:
    """Rows a second, over the run so far."""

    def __init__(self) -> None:
        self._rows = 0

    def __call__(self, report: EpochReport) -> str:
        self._rows += report.rows
        return f"{self._rows / max(report.seconds, 1e-9):,.0f} rows/s"
