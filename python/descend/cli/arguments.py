"""The arguments of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import descend
from descend.cli.task import CLASS_LOSS, REAL_LOSSES

__all__ = ["parser"]

_EXAMPLES = """\
examples:
  descend train digits                          scikit-learn's images of handwritten digits
  descend train iris.csv --target species       a CSV file; its first line names the columns
  descend train houses.csv --target price --layers 64,64,64 --loss huber
  descend train mnist.npz --batch-size 128      an NPZ file of arrays X and y
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of ``descend`` and its subcommands."""
    top = argparse.ArgumentParser(
        prog="descend", description="Train feed-forward neural networks by gradient descent."
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
    train = commands.add_parser(
        "train",
        help="train a network on a data set",
        description="Train a network on a data set, test it on rows it has not seen,\n"
        "and write the model and its learning curves.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_data(train)
    _add_network(train.add_argument_group("network"))
    _add_training(train.add_argument_group("training"))
    commands.add_parser("info", help="print what this build is and what it runs on")
    return top


def _add_data(train: argparse.ArgumentParser) -> None:
    train.add_argument("data", help="digits, a CSV file, or an NPZ file of arrays X and y")
    train.add_argument(
        "--target", metavar="COLUMN", help="column of the CSV file to learn; text means classes"
    )
    train.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of the results (default: NAME-model)"
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
        default=10,
        metavar="N",
        help="stop after N epochs without a lower validation loss, keep the best "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--validation-fraction",
        type=_fraction,
        default=0.1,
        metavar="F",
        help="of the rows, held out to decide when to stop (default: %(default)s)",
    )
    group.add_argument(
        "--test-fraction",
        type=_fraction,
        default=0.2,
        metavar="F",
        help="of the rows, held out to measure the result (default: %(default)s)",
    )
    group.add_argument(
        "--seed",
        type=int,
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


def _fraction(text: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        fraction = 0.0
    if not 0 < fraction < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return fraction
