"""What is shown while a network trains: nothing, a bar, lines, or whatever the caller does."""

from __future__ import annotations

import sys
from collections import deque
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
    noise_scale : float or None
        Of the gradient, where the trainer tracks it; see `History`.
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
    noise_scale: float | None = None


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


def epoch_lines(epochs: int, done: int | None = None) -> Progress:
    """Write one line an epoch to standard error.

    Of ``epochs`` in the whole, of which a run that goes on has ``done`` some; None is a new run.
    """
    speed = _Speed(is_new=done is None)
    last = done or 0

    def write(report: EpochReport) -> None:
        nonlocal last
        last += 1
        figures = [*_losses(report, "validation", digits=5), *speed(report)]
        print(f"epoch {last}/{epochs}  {'  '.join(figures)}", file=sys.stderr, flush=True)

    return write


@contextmanager
def watching(
    progress: bool | Progress | None, epochs: int, done: int | None = None
) -> Iterator[Callable[[dict[str, Any]], bool] | None]:
    """Give the core's per-epoch callback for what the caller of ``fit`` asked to see.

    ``True`` means a tqdm bar where tqdm is installed and lines where it is not; ``epochs`` and
    ``done`` are as for `epoch_lines`.
    """
    if progress is None or progress is False:
        yield None
    elif callable(progress):
        yield _callback(progress)
    elif progress is True:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            yield _callback(epoch_lines(epochs, done))
            return
        with tqdm(total=epochs, initial=done or 0, bar_format=_BAR) as bar:
            yield _callback(_epoch_bar(bar, _Speed(is_new=done is None)))
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


# The speed stands before the losses: a narrow terminal cuts what comes last, the metrics.
_BAR = "{n_fmt}/{total_fmt} |{bar}| {elapsed}<{remaining}{postfix}"


def _epoch_bar(bar: Any, speed: _Speed) -> Progress:
    def advance(report: EpochReport) -> None:
        figures = [*speed(report), *_losses(report, "val", digits=4)]
        bar.set_postfix_str(", ".join(figures), refresh=False)
        bar.update()

    return advance


def _losses(report: EpochReport, validation: str, digits: int) -> list[str]:
    """Say loss and metrics, behind each what it is on the validation rows."""
    pairs: dict[str, tuple[float | None, float | None]] = {
        "loss": (report.loss, report.validation_loss)
    }
    for name in {**report.metrics, **report.validation_metrics}:
        pairs[name] = report.metrics.get(name), report.validation_metrics.get(name)
    said = []
    for name, (trained, validated) in pairs.items():
        words = [name]
        if trained is not None:
            words.append(f"{trained:.{digits}f}")
        if validated is not None:
            words.append(f"({validation} {validated:.{digits}f})")
        said.append(" ".join(words))
    return said


class _Speed:
    """Rows a second of the last epochs that took a second together, or of the last epoch.

    The first epoch of a run that goes on has none: a part of its rows was visited before.
    """

    def __init__(self, *, is_new: bool) -> None:
        self._rows = 0
        self._ends = deque([(0.0, 0)] if is_new else [])  # of epochs: seconds and rows so far

    def __call__(self, report: EpochReport) -> list[str]:
        self._rows += report.rows
        self._ends.append((report.seconds, self._rows))
        while len(self._ends) > 2 and report.seconds - self._ends[1][0] >= _SPEED_SECONDS:
            self._ends.popleft()
        (begin, before), *later = self._ends
        if not later:
            return []
        return [f"{(self._rows - before) / max(report.seconds - begin, 1e-9):,.0f} rows/s"]


_SPEED_SECONDS = 1.0
