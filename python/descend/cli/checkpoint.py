"""Checkpoints of ``descend train``: all that ``descend resume`` needs, in one file.

A ZIP file, not compressed, of the trainer's own file and a JSON text: the command line, the folder
in which it was given, and the checksum of the data.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import descend
from descend.cli.errors import DataError, reason

__all__ = ["Checkpoint", "Saver", "load"]

_TRAINER = "trainer.safetensors"
_RUN = "run.json"
_VERSION = 1
_SECONDS_BETWEEN = 1.0  # so that short epochs are not spent on writing


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is saved, and what of it the trainer does not know."""

    path: Path
    command: tuple[str, ...]
    folder: str
    checksum: str

    def save(self, trainer: descend.Trainer) -> None:
        """Write the file, at once or not at all."""
        run = {
            "version": _VERSION,
            "command": self.command,
            "folder": self.folder,
            "checksum": self.checksum,
        }
        path = Path(os.path.realpath(self.path))  # a symbolic link stays
        unfinished = path.with_name(f".{path.name}.unfinished")
        saved = path.with_name(f".{path.name}.trainer")
        try:
            trainer.save(saved)
            with zipfile.ZipFile(unfinished, "w") as file:
                file.write(saved, _TRAINER)
                file.writestr(_RUN, json.dumps(run))
            os.replace(unfinished, path)
        except OSError as error:
            raise DataError(f"{self.path}: {reason(error)}.") from error
        finally:
            saved.unlink(missing_ok=True)
            unfinished.unlink(missing_ok=True)

    def trainer(self, threads: int | None, device: str) -> descend.Trainer:
        """Read the trainer as it was saved."""
        with (
            _reading(self.path),
            zipfile.ZipFile(self.path) as file,
            tempfile.TemporaryDirectory() as folder,
        ):
            return descend.Trainer.load(file.extract(_TRAINER, folder), threads, device=device)


class Saver(descend.Callback):
    """Saves a run while it goes on, at most once a second; where that fails, it goes on."""

    comes_last = True
    every_n_steps = 100

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._last = time.monotonic()

    def on_step_end(self, trainer: descend.Trainer, report: descend.StepReport) -> None:
        """Save within an epoch too, which may be long."""
        self._save(trainer)

    def on_epoch_end(self, trainer: descend.Trainer, report: descend.EpochReport) -> None:
        """Save after an epoch."""
        self._save(trainer)

    def _save(self, trainer: descend.Trainer) -> None:
        if time.monotonic() - self._last < _SECONDS_BETWEEN:
            return
        try:
            self._checkpoint.save(trainer)
        except DataError as error:
            print(f"descend: warning: not saved: {error}", file=sys.stderr, flush=True)
        self._last = time.monotonic()


def load(path: Path) -> Checkpoint:
    """Read what `Checkpoint.save` wrote; DataError where it is something else."""
    with _reading(path), zipfile.ZipFile(path) as file:
        run = json.loads(file.read(_RUN))
        if run["version"] != _VERSION:
            raise ValueError(f"version {run['version']}, but this descend reads {_VERSION}")
        command = tuple(map(str, run["command"]))
        return Checkpoint(path, command, str(run["folder"]), str(run["checksum"]))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}.") from error
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a checkpoint of descend train: {error}") from error
