"""The numbers of each epoch as a line of a CSV file."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING, Any

from descend.callbacks.callback import Callback
from descend.callbacks.values import values_of

if TYPE_CHECKING:
    from descend.progress import EpochReport
    from descend.trainer import Trainer

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes a line an epoch: epoch, losses, metrics, learning rate, rows, steps, seconds.

    A loaded trainer's run goes on in the file where the one that was saved stood: lines written
    after that are dropped. Numbers are written so that reading gives the same bits.

    Parameters
    ----------
    path : str or path
    append : bool
        Go on behind the lines of a file with the same columns; otherwise it is replaced.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self._path = os.fspath(path)
        self._append = append
        self._columns: list[str] | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        self._columns = self._header() if self._append else None
        if self._columns is None and trainer.unfinished_run is None:
            with open(self._path, "w", encoding="utf-8"):
                pass  # fails now where it cannot be written

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        row = _row(report)
        if self._columns is None:
            self._columns = list(row)
            self._write(self._columns, "w")
        elif self._columns != list(row):
            raise ValueError(
                f"CSVLogger: {self._path!r} has the columns {', '.join(self._columns)}, but this "
                f"run has {', '.join(row)}; give another path, or append=False."
            )
        self._write(list(row.values()), "a")

    def get_state(self) -> dict[str, Any]:
        size = 0 if self._columns is None else os.path.getsize(self._path)
        return {"size": size}

    def set_state(self, state: dict[str, Any]) -> None:
        size = state["size"]
        if size > 0 and os.path.isfile(self._path) and os.path.getsize(self._path) >= size:
            os.truncate(self._path, size)
            self._columns = self._header()
        else:
            self._columns = None

    def _header(self) -> list[str] | None:
        try:
            with open(self._path, encoding="utf-8", newline="") as file:
                return next(csv.reader(file), None)
        except FileNotFoundError:
            return None

    def _write(self, values: list[Any], mode: str) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        with open(self._path, mode, encoding="utf-8", newline="") as file:
            file.write(line.getvalue())


def _row(report: EpochReport) -> dict[str, Any]:
    row: dict[str, Any] = {"epoch": report.epoch, **values_of(report)}
    for name in ("learning_rate", "rows", "steps", "seconds"):
        row[name] = getattr(report, name)
    return row
