"""The commands of the command line, and what their help says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import descend
from descend.cli.options import (
    add_data,
    add_measurement,
    add_model,
    add_network,
    add_results,
    add_training,
)

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

The run goes on with the data file and the options that it was started with, from where it was saved
last, and ends in the same model, bit for bit, as if it had not been interrupted.
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
    for *names, help_text in (
        ("-V", "--version", "print the version"),
        ("--include", "print the folder of the C++ headers"),
        ("--cmake-dir", "print the folder of the CMake package, for -DCMAKE_PREFIX_PATH"),
    ):
        facts.add_argument(
            *names, dest="fact", action="store_const", const=names[-1][2:], help=help_text
        )
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    train = _command(
        commands,
        "train",
        "train a network on a data set",
        "Train a network on a data set, test it on rows it has not seen,\n"
        "and write the model, its history and its figures.",
        _TRAIN_EXAMPLES,
        usage=_usage("train"),
    )
    add_data(train.add_argument_group("data"))
    add_network(train.add_argument_group("network"))
    add_training(train.add_argument_group("training"))
    add_results(train.add_argument_group("results"))
    resume = _command(
        commands,
        "resume",
        "go on with a run that was interrupted",
        "Go on with a run of descend train --checkpoint that was interrupted.",
        _RESUME_EXAMPLES,
    )
    resume.add_argument("checkpoint", type=Path, help="the file that --checkpoint named")
    resume.add_argument(
        "--device",
        choices=descend.devices(),
        help="what the steps run on (default: that of the run so far); the result is the same",
    )
    predict = _command(
        commands,
        "predict",
        "predict the target of new rows",
        "Predict with a model that descend train wrote: the class and its probabilities,\n"
        "or the number, for each row.",
        _PREDICT_EXAMPLES,
    )
    add_model(predict)
    predict.add_argument(
        "-o",
        "--output",
        default="-",
        metavar="FILE",
        help="CSV, TSV or Parquet file to write, as its ending says; - is the screen (default)",
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
    add_model(evaluate)
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
        usage=_usage("batch-size"),
    )
    add_data(batch_size.add_argument_group("data"))
    add_network(batch_size.add_argument_group("network"))
    add_training(batch_size.add_argument_group("training"))
    add_measurement(batch_size.add_argument_group("measurement"))
    what = "print what this build is and what it runs on"
    commands.add_parser("info", help=what, description=f"{what.capitalize()}.")
    return top


def _usage(command: str) -> str:
    """Say how a command with many options is called; a list of them would bury every error."""
    return f"descend {command} [--target COLUMN] [OPTIONS] data"


def _command(
    commands: Any,
    name: str,
    help_text: str,
    description: str,
    epilog: str,
    *,
    usage: str | None = None,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=usage,
    )
    return command
