"""``descend resume``: go on with a run that was interrupted."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import descend
from descend.cli import checkpoint, results, train
from descend.cli.checkpoint import Checkpoint
from descend.cli.dataset import name_of
from descend.cli.errors import DataError, UsageError
from descend.cli.words import say

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Run the command with the arguments of the run that was saved."""
    saved = checkpoint.load(arguments.checkpoint)
    started = _started(saved)
    data = train.read(started)
    if data.checksum() != saved.checksum:
        raise DataError(
            f"{started.data}: not the data that the run of {saved.path} was started with; put "
            "them back, or begin again with descend train."
        )
    trainer = saved.trainer(started.threads, _device(arguments.device or started.device, saved))
    where = results.places(started.output, started.report, data.name)
    say("resumed", f"{saved.path}, after {trainer.epoch} of {started.epochs} epochs")
    train.train(trainer, data, started, where, saved)


def _device(device: str, saved: Checkpoint) -> str:
    if device == "cuda" and not descend.cuda_devices():
        raise UsageError(
            f"--device cuda, of the run of {saved.path}: there is no NVIDIA GPU here, or descend "
            "was built without CUDA; descend resume --device cpu goes on to the same result."
        )
    return device


def _started(saved: Checkpoint) -> argparse.Namespace:
    """Give the arguments of the run; paths mean what they meant in the folder of its start."""
    from descend.cli.arguments import parser

    try:
        started = parser().parse_args(saved.command)
    except SystemExit:
        started = argparse.Namespace(command=None)
    if started.command != "train":
        raise DataError(
            f"{saved.path}: not a run that this version of descend train can go on with."
        )
    started.command_line = list(saved.command)
    if saved.folder != os.getcwd():
        start = Path(saved.folder)
        if started.data != "digits":
            started.data = str(start / started.data)
        if started.report:
            started.report = start / started.report
        if started.output or not started.report:
            started.output = start / (
                started.output or results.default_folder(name_of(started.data))
            )
    return started
