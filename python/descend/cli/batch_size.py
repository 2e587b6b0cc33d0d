"""``descend batch-size``: what each batch size costs and gives on a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

import descend
from descend.cli import train, trainers
from descend.cli.errors import DataError, UsageError
from descend.cli.words import say

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Run ``descend batch-size``: print the table and draw the figure."""
    data = train.read(arguments)
    trainer = trainers.build(data, arguments)
    rows = data.split.train
    say("data", f"{data.name}: {len(rows)} rows to train on, of {data.X.shape[1]} inputs")
    say("training", f"{data.task.loss}, {trainer.optimizer}")
    try:
        report = descend.batch_size_report(
            trainer,
            data.X[rows],
            data.y[rows],
            seconds=arguments.seconds,
        )
    except FloatingPointError as error:
        raise DataError(str(error)) from error
    print(report)
    path = arguments.figure or Path(f"{data.name}-batch-size.png")
    try:
        report.plot(path)
    except ImportError as error:
        say("note", f"no figure: {error}")
        return
    except ValueError as error:  # an ending that names no format
        raise UsageError(f"--figure {path}: {error}") from error
    say("figure", str(path))
