"""The arguments of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import descend
from descend.cli.task import CLASS_LOSS, REAL_LOSSES, TASKS
from descend.cli.trainers import SCHEDULES

__all__ = ["parser"]

_TRAIN_EXAMPLES = """\
examples:
  descend train digits                          scikit-learn's images of handwritten digits
  descend train iris.csv --target species       a CSV file; its first line names the columns
  descend train houses.parquet --target price --layers 64,64,64 --loss huber
  descend train people.csv --target income --drop name --report report/
  descend train mnist.npz --batch-size 128      an NPZ file of arrays X and y

A column of numbers is standardised, one of text becomes an input for each of its levels; missing
values are allowed. Text and few whole numbers in the target mean classes, else it is a number.
"""

_RESUME_EXAMPLES = """\
examples:
  descend train data.csv --target y --epochs 500 --checkpoint run.ckpt
  descend resume run.ckpt                       after Ctrl-C, or a machine that went down

The run goes on with the data file and the options that it was started with, from the last epoch
that was finished, and ends in the same model, bit for bit, as if it had not been interrupted.
"""

_BATCH_SIZE_EXAMPLES = """\
examples:
  descend batch-size digits
  descend batch-size data.csv --target y --layers 64,64 --figure sizes.svg

The options are those of descend train; --batch-size is that of the epochs that are looked ahead.
docs/batch-size.md explains the table and the figure.
"""

_PREDICT_EXAMPLES = """\
examples:
  descend predict iris-model new_flowers.csv                   to the screen
  descend predict iris-model new_flowers.csv -o answers.csv    or .parquet
  descend predict iris-model new_flowers.csv --keep id         with the column id beside them

The file needs the columns that the model was trained on, in any order; others are ignored.
"""

_EVALUATE_EXAMPLES = """\
examples:
  descend evaluate iris-model more_flowers.csv
  descend evaluate iris-model more_flowers.csv --report report/

The file needs the columns that the model was trained on and its target.
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``descend`` and its subcommands."""
    top = argparse.ArgumentParser(
        prog="descend",
        description="Train feed-forward neural networks by gradient descent.",
        epilog="descend COMMAND --help says more of a command. Exit codes: 0 done, 1 the data or "
        "a file is wrong, 2 the arguments are, 130 interrupted by Ctrl-C.",
    )
    facts = top.add_mutually_exclusive_group()
    for name, help_text in (
        ("version", "print the version"),
        ("include", "print the folder of the C++ headers"),
        ("cmake-dir", "print the folder of the CMake package, for -DCMAKE_PREFIX_PATH"),
    ):
        facts.add_argument(
            f"--{name}", dest="fact", action="store_const", const=name, help=help_text
        )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    train = _command(
        commands,
        "train",
        "train a network on a data set",
        "Train a network on a data set, test it on rows it has not seen,\n"
        "and write the model, its history and its figures.",
        _TRAIN_EXAMPLES,
    )
    _add_data(train.add_argument_group("data"))
    _add_network(train.add_argument_group("network"))
    _add_training(train.add_argument_group("training"))
    _add_results(train.add_argument_group("results"))
    resume = _command(
        commands,
        "resume",
        "go on with a run that was interrupted",
        "Go on with a run of descend train --checkpoint that was interrupted.",
        _RESUME_EXAMPLES,
    )
    resume.add_argument("checkpoint", type=Path, help="the file that --checkpoint named")
    predict = _command(
        commands,
        "predict",
        "predict the target of new rows",
        "Predict with a model that descend train wrote: the class and its probabilities,\n"
        "or the number, for each row.",
        _PREDICT_EXAMPLES,
    )
    _add_model(predict)
    predict.add_argument(
        "-o",
        "--output",
        default="-",
        metavar="FILE",
        help="CSV or Parquet file to write, as its ending says; - is the screen (default)",
    )
    predict.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of the data to write beside the predictions; may be repeated",
    )
    evaluate = _command(
        commands,
        "evaluate",
        "measure a model on rows whose target is known",
        "Measure how good a model that descend train wrote is, on rows whose target is known.",
        _EVALUATE_EXAMPLES,
    )
    _add_model(evaluate)
    evaluate.add_argument(
        "--report",
        type=Path,
        metavar="PATH",
        help="write an HTML page: a file, or a folder for report.html and the figures",
    )
    batch_size = _command(
        commands,
        "batch-size",
        "measure which batch size suits a data set",
        "Measure what each batch size costs and gives on a data set: the time of a step, the\n"
        "error of its gradient, and the time to a given progress that follows from both.",
        _BATCH_SIZE_EXAMPLES,
    )
    _add_data(batch_size.add_argument_group("data"))
    _add_network(batch_size.add_argument_group("network"))
    _add_training(batch_size.add_argument_group("training"))
    _add_measurement(batch_size.add_argument_group("measurement"))
    commands.add_parser("info", help="print what this build is and what it runs on")
    return top


def _command(
    commands: Any, name: str, help_text: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return command


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", type=Path, help="a model file, or the folder that train wrote")
    command.add_argument("data", help="a CSV, Parquet or NPZ file, or digits")


def _add_data(group: argparse._ArgumentGroup) -> None:
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
        type=_count,
        metavar="N",
        help="levels that a column of text may have (default: 100, and at most one for two "
        "training rows)",
    )
    group.add_argument(
        "--validation",
        "--validation-fraction",
        type=_fraction,
        default=0.1,
        metavar="F",
        help="of the rows, held out to decide when to stop; 0 for none (default: %(default)s)",
    )
    group.add_argument(
        "--test",
        "--test-fraction",
        type=_fraction,
        default=0.2,
        metavar="F",
        help="of the rows, held out to measure the result; 0 for none (default: %(default)s)",
    )


def _add_results(group: argparse._ArgumentGroup) -> None:
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
        help="save the run there after its epochs, at most once a second, for descend resume",
    )


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--layers",
        type=_units,
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


def _add_measurement(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--seconds",
        type=_seconds,
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


def _add_training(group: argparse._ArgumentGroup) -> None:
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
        choices=optimizers,
        default="adam",
        metavar="NAME",
        help=f"{', '.join(optimizers)} (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="(default: the optimizer's own)"
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
        type=_count,
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
        type=_metrics,
        metavar="NAME,...",
        help=f"measured after each epoch: {', '.join(descend.metrics())}, k a number "
        "(default: accuracy of classes)",
    )
    group.add_argument(
        "--batch-size",
        type=_count,
        default=32,
        metavar="N",
        help="rows of a minibatch (default: %(default)s)",
    )
    group.add_argument(
        "--epochs",
        type=_count,
        default=100,
        metavar="N",
        help="passes over the training rows, at most (default: %(default)s)",
    )
    group.add_argument(
        "--patience",
        type=_count,
        metavar="N",
        help="stop after N epochs without a lower validation loss, keep the best (default: 10)",
    )
    group.add_argument(
        "--seed",
        type=_seed,
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


def _units(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of whole numbers such as 256,128"
        ) from None


def _count(text: str) -> int:
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _seed(text: str) -> int:
    if not text.strip().isdecimal() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _metrics(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 on")
    return seconds


def _fraction(text: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1, without 1")
    return fraction
