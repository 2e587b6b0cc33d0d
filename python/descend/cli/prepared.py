"""From a file and its target to arrays ready to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.cli import dataset, preparation, scaling
from descend.cli.dataset import Matrix
from descend.cli.errors import DataError, UsageError
from descend.cli.matrix_preparation import MatrixPreparation
from descend.cli.preparation import Preparation
from descend.cli.scaling import Scaling
from descend.cli.table import Table
from descend.cli.task import Task, labels, read_target, understand
from descend.cli.words import listed

__all__ = ["Prepared", "Split", "prepare"]


@dataclass(frozen=True)
class Split:
    """Row indices of the three parts."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]

    def held_out(self) -> tuple[str, NDArray[np.intp]]:
        """Give the rows that measure the result best, and what they are called."""
        if len(self.test):
            return "test", self.test
        return ("validated", self.validation) if len(self.validation) else ("trained", self.train)


@dataclass(frozen=True)
class Prepared:
    """A data set ready to train on.

    ``X`` is (rows, inputs) in float64, standardised by the training rows. ``y`` holds class indices
    (rows,), or real numbers (rows,) or (rows, targets), standardised but for poisson. ``inputs``
    and ``target`` are the same in the data's own units. ``notes`` are for the user to read.
    """

    name: str
    source: str
    task: Task
    split: Split
    preparation: Preparation | MatrixPreparation
    input_scaling: Scaling
    target_scaling: Scaling | None
    inputs: NDArray[np.float64]
    target: NDArray[Any]
    X: NDArray[np.float64]
    y: NDArray[Any]
    notes: list[str]

    def checksum(self) -> str:
        """Give a digest that changes with any value, with the preparation and with the split."""
        digest = hashlib.sha256(repr((self.task, self.preparation)).encode())
        for part in (self.inputs, self.target, self.split.train, self.split.validation):
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()


def prepare(
    source: str,
    targets: Sequence[str] = (),
    *,
    loss: str = "auto",
    task: str = "auto",
    drop: Sequence[str] = (),
    max_levels: int | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Prepared:
    """Read, split and prepare a data set; `DataError` and `UsageError` say what is wrong.

    ``source`` is ``digits``, a table or an NPZ file; ``targets`` names the columns to learn and
    ``drop`` those to leave out, of a table alone. ``validation`` and ``test`` are the fractions of
    the rows held out, drawn by ``seed``; 0 holds out none.
    """
    data = dataset.read(source)
    names, notes = _columns(data, targets, drop, max_levels)
    targets = tuple(targets) or ("y",)
    values = read_target(data, targets)
    try:
        learnt = understand(values, targets, loss=loss, kind=task)
        target: NDArray[Any] = labels(values, learnt) if learnt.classes else values
        split = _split(len(target), validation, test, seed)
        how, input_scaling = _measure(data, names, split.train, max_levels)
        target_scaling = _target_scaling(target[split.train]) if learnt.is_scaled else None
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    encoded = how.encode(data)
    notes += [*how.notes(), *encoded.notes()]
    X = input_scaling.apply(encoded.inputs)
    y = target_scaling.apply(target) if target_scaling else target
    return Prepared(
        name=dataset.name_of(source),
        source=source,
        task=learnt,
        split=split,
        preparation=how,
        input_scaling=input_scaling,
        target_scaling=target_scaling,
        inputs=encoded.inputs,
        target=target,
        X=X,
        y=y,
        notes=notes,
    )


def _columns(
    data: Matrix | Table, targets: Sequence[str], drop: Sequence[str], max_levels: int | None
) -> tuple[list[str], list[str]]:
    """Name the columns to learn from, and note those that have no name of their own."""
    if isinstance(data, Matrix):
        if targets or drop or max_levels is not None:
            option = "--target" if targets else "--drop" if drop else "--max-levels"
            raise UsageError(f"{option} is for the columns of a table; {data.source} is none.")
        return [], []
    known = listed(data.columns)
    if not targets:
        raise UsageError(
            f"{data.source}: name the column to learn with --target; its columns: {known}."
        )
    for name in (*targets, *drop):
        data.column(name)
    if len(set(targets)) < len(targets) or set(targets) & set(drop):
        raise UsageError("--target and --drop must name different columns, each once.")
    names = [name for name in data.columns if name not in targets and name not in drop]
    if not names:
        raise DataError(f"{data.source}: no columns to learn from beside the target.")
    return names, [f"column {name} is left out" for name in data.left_out]


def _measure(
    data: Matrix | Table, names: list[str], rows: NDArray[np.intp], max_levels: int | None
) -> tuple[Preparation | MatrixPreparation, Scaling]:
    if isinstance(data, Matrix):
        by_column = scaling.measure(data.inputs[rows], one_unit=data.one_unit)
        return MatrixPreparation(data.inputs.shape[1]), by_column
    measured = preparation.measure(data, names, rows, max_levels)
    return measured, measured.scaling


def _target_scaling(target: NDArray[np.float64]) -> Scaling:
    measured = scaling.measure(target)
    if not np.all(measured.gain):
        raise DataError("a target is the same in every training row: there is nothing to learn.")
    return measured


def _split(rows: int, validation_fraction: float, test_fraction: float, seed: int) -> Split:
    test = max(1, round(rows * test_fraction)) if test_fraction else 0
    validation = max(1, round(rows * validation_fraction)) if validation_fraction else 0
    if rows - test - validation < 2:
        raise DataError(
            f"{rows} rows are too few to hold out {validation} for validation and {test} for the "
            "test; give more rows, or lower --validation and --test."
        )
    order = np.random.default_rng(seed).permutation(rows)
    return Split(order[test + validation :], order[test : test + validation], order[:test])
