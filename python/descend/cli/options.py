"""The options of the commands, in groups as their help shows them."""

from __future__ import annotations

import argparse
from pathlib import Path

import descend
from descend.cli import values
from descend.cli.task import CLASS_LOSS, REAL_LOSSES, TASKS
from descend.cli.trainers import SCHEDULES

__all__ = [
    "add_data",
    "add_measurement",
    "add_model",
    "add_network",
    "add_results",
    "add_training",
]


def add_model(command: argparse.ArgumentParser) -> None:
    """Add a model and what it is applied to."""
    command.add_argument("model", type=Path, help="a model file, or the folder that train wrote")
    command.add_argument("data", help="a CSV, Parquet or NPZ file, or digits")


def add_data(group: argparse._ArgumentGroup) -> None:
    """Add what is learned from: the file, its columns, the rows held out."""
    group.add_argument(
        "data", help="digits, a CSV or Parquet file, or an NPZ file of arrays X and y"
    )
    group.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of a table to learn; may be repeated for several numbers",
    )
    group.add_argument(
        "--task",
        choices=TASKS,
        default="auto",
        help="what the target holds; auto takes text and few whole numbers for classes "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of a table to leave out, such as a name or a number of the row; "
        "may be repeated",
    )
    group.add_argument(
        "--max-levels",
        type=values.count,
        metavar="N",
        help="levels that a column of text may have (default: 100, and at most one for two "
        "training rows)",
    )
    group.add_argument(
        "--validation",
        "--validation-fraction",
        type=values.fraction,
        default=0.1,
        metavar="F",
        help="of the rows, held out to decide when to stop; 0 for none (default: %(default)s)",
    )
    group.add_argument(
        "--test",
        "--test-fraction",
        type=values.fraction,
        default=0.2,
        metavar="F",
        help="of the rows, held out to measure the result; 0 for none (default: %(default)s)",
    )


def add_results(group: argparse._ArgumentGroup) -> None:
    """Add where the results go."""
    group.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the results (default: the folder of the report, or NAME-model)",
    )
    group.add_argument(
        "--report",
        type=Path,
        metavar="PATH",
        help="write an HTML page too: a file, or a folder for report.html",
    )
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="save the run there while it trains, at most once a second, for descend resume",
    )


def add_network(group: argparse._ArgumentGroup) -> None:
    """Add the layers."""
    group.add_argument(
        "--layers",
        type=values.units,
        default="256,128",
        metavar="N,N,...",
        help="units of each hidden layer, '' for a linear model (default: %(default)s)",
    )
    group.add_argument(
        "--activation",
        choices=descend.activations(),
        default="relu",
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(descend.activations())} (default: %(default)s)",
    )
    group.add_argument(
        "--dropout",
        type=float,
        default=0.0,
        metavar="RATE",
        help="fraction dropped behind each hidden layer (default: %(default)s)",
    )


def add_measurement(group: argparse._ArgumentGroup) -> None:
    """Add how long is measured, and what is drawn."""
    group.add_argument(
        "--seconds",
        type=values.seconds,
        default=3.0,
        metavar="S",
        help="time for the timing of all sizes together (default: %(default)s)",
    )
    group.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="where to draw it, as the ending says (default: NAME-batch-size.png)",
    )


def add_training(group: argparse._ArgumentGroup) -> None:
    """Add the loss, the steps, and when the run ends."""
    losses = (CLASS_LOSS, *REAL_LOSSES)
    group.add_argument(
        "--loss",
        choices=("auto", *losses),
        default="auto",
        metavar="NAME",
        help=f"{', '.join(losses)}; auto takes the first for classes and the second for real "
        "numbers (default: %(default)s)",
    )
    optimizers = [name.lower() for name in descend.optimizers()]
    group.add_argument(
        "--optimizer",
        type=str.lower,  # in Python they are classes: Adam
        choices=optimizers,
        default="adam",
        metavar="NAME",
        help=f"{', '.join(optimizers)} (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        metavar="RATE",
        help="of the first step, or the highest of --schedule (default: the optimizer's own)",
    )
    group.add_argument(
        "--schedule",
        choices=SCHEDULES,
        default="none",
        metavar="NAME",
        help=f"how the learning rate changes over the run: {', '.join(SCHEDULES)}; cosine and "
        "linear fall to 0, step and exponential by ten for each third, one_cycle rises to it "
        "first (default: %(default)s)",
    )
    group.add_argument(
        "--warm-up",
        type=values.count,
        default=0,
        metavar="STEPS",
        help="steps over which the learning rate rises from 0 before that (default: %(default)s)",
    )
    group.add_argument(
        "--l2",
        type=float,
        default=0.0,
        metavar="L2",
        help="penalty on the weights, L2 / 2 times the sum of their squares (default: %(default)s)",
    )
    group.add_argument(
        "--clip-norm",
        type=float,
        metavar="NORM",
        help="shorten a step's gradient to this norm where it is longer (default: never)",
    )
    group.add_argument(
        "--class-weight",
        choices=("none", "balanced"),
        default="none",
        help="balanced: rows of rare classes weigh more, so that all classes count the same "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--label-smoothing",
        type=float,
        default=0.0,
        metavar="E",
        help="learn a probability of 1 - E for the true class, and E shared by all classes, "
        "instead of 1 (default: %(default)s)",
    )
    group.add_argument(
        "--metrics",
        action="extend",
        type=values.metrics,
        metavar="NAME,...",
        help=f"measured after each epoch: {', '.join(descend.metrics())}, k a number "
        "(default: accuracy of classes)",
    )
    group.add_argument(
        "--batch-size",
        type=values.count,
        default=32,
        metavar="N",
        help="rows of a minibatch (default: %(default)s)",
    )
    group.add_argument(
        "--epochs",
        type=values.count,
        default=100,
        metavar="N",
        help="passes over the training rows, at most (default: %(default)s)",
    )
    group.add_argument(
        "--patience",
        type=values.count,
        metavar="N",
        help="stop after N epochs without a lower validation loss, keep the best (default: 10)",
    )
    group.add_argument(
        "--seed",
        type=values.seed,
        default=0,
        metavar="N",
        help="of the split, the weights, the shuffle and dropout (default: %(default)s)",
    )
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="at most so many; the result is the same for any (default: what the work is worth)",
    )
    group.add_argument(
        "--device",
        choices=descend.devices(),
        default="cpu",
        help="what the steps run on; the result is the same (default: %(default)s)",
    )
