"""What is learnt from the target: one of its classes, or real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.cli.dataset import Matrix
from descend.cli.errors import DataError, UsageError
from descend.cli.table import Table, number_text
from descend.cli.words import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["CLASS_LOSS", "REAL_LOSSES", "TASKS", "Task", "labels", "read_target", "understand"]

CLASS_LOSS = "softmax_cross_entropy"
REAL_LOSSES = ("squared_error", "absolute_error", "huber", "poisson")
TASKS = ("auto", "classes", "numbers")

# Whole numbers of more different values than this are taken for quantities.
_MOST_NUMBERED_CLASSES = 30


@dataclass(frozen=True)
class Task:
    """The columns learnt and the loss; ``classes`` names the outputs, or is empty for numbers.

    ``numbered`` tells that the classes are numbers in the data.
    """

    targets: tuple[str, ...]
    loss: str
    classes: tuple[str, ...] = ()
    numbered: bool = False

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return len(self.classes or self.targets)

    @property
    def is_scaled(self) -> bool:
        """Whether the target is standardised for the training; exp(f) of poisson is a count."""
        return not self.classes and self.loss != "poisson"

    def __str__(self) -> str:
        if not self.classes:
            return "real numbers" if len(self.targets) == 1 else f"{len(self.targets)} real numbers"
        more = ", ..." if len(self.classes) > 10 else ""
        return f"{len(self.classes)} classes: {', '.join(self.classes[:10])}{more}"


def read_target(
    data: Matrix | Table, targets: Sequence[str], as_text: bool | None = None
) -> NDArray[Any]:
    """Give the target as text (rows,), or as numbers (rows,), (rows, targets) for several.

    ``as_text`` says which, where a model knows; else the columns do.
    """
    if isinstance(data, Matrix):
        if data.target is None:
            raise DataError(f"{data.source}: no array y, the target of each row of X.")
        return data.target
    columns = [_column(data, name, as_text) for name in targets]
    if len(columns) == 1:
        return columns[0]
    for name, values in zip(targets, columns, strict=True):
        if values.dtype.kind == "U":
            raise DataError(f"{data.source}: of several targets, {name!r} holds text, not numbers.")
    return np.column_stack(columns)


def understand(
    values: NDArray[Any], targets: Sequence[str], *, loss: str = "auto", kind: str = "auto"
) -> Task:
    """Find the task of a target: text and few whole numbers that repeat are classes.

    ``loss`` and ``kind``, one of `TASKS`, decide where they are not ``auto``.
    """
    if kind == "auto" and loss != "auto":
        kind = "classes" if loss == CLASS_LOSS else "numbers"
    if loss != "auto" and (loss == CLASS_LOSS) != (kind == "classes"):
        raise UsageError(f"--loss {loss} does not go with --task {kind}.")
    if values.dtype.kind == "U" and set(np.char.lower(values)) <= {"false", "true"}:
        values = np.char.lower(values)
    different = np.unique(values, axis=0)
    if len(different) == 1:
        raise DataError(f"the target is {different[0]} in every row: there is nothing to learn.")
    is_text = values.dtype.kind == "U"
    repeats = 2 * len(different) <= len(values)
    if kind == "auto":
        whole = not is_text and values.ndim == 1 and bool((values == np.round(values)).all())
        numbered = whole and len(different) <= _MOST_NUMBERED_CLASSES and repeats
        kind = "classes" if is_text or numbered else "numbers"

    if kind == "numbers":
        loss = "squared_error" if loss == "auto" else loss
        if is_text:
            raise DataError(f"the target holds text, such as {different[0]}; {loss} needs numbers.")
        if loss == "poisson" and values.min() < 0:
            raise DataError(f"poisson needs counts, but the target goes down to {values.min():g}.")
        return Task(tuple(targets), loss)
    if values.ndim > 1:
        raise UsageError("several targets are learnt as numbers; give one --target for classes.")
    if not repeats:
        raise DataError(
            f"the target has {len(different)} different values in {len(values)} rows, such as "
            f"{different[0]} and {different[-1]}: too many to be classes."
        )
    classes = tuple(map(str, different) if is_text else map(number_text, different.tolist()))
    return Task(tuple(targets), CLASS_LOSS, classes, numbered=not is_text)


def labels(values: NDArray[Any], task: Task) -> NDArray[np.int64]:
    """Give the index of each row's class; the target is one that `read_target` gave."""
    known = {name: index for index, name in enumerate(task.classes)}
    if known.keys() <= {"false", "true"} and values.dtype.kind == "U":
        values = np.char.lower(values)
    different, places = np.unique(values, return_inverse=True)
    names = [number_text(value) if task.numbered else value for value in different.tolist()]
    strange = [name for name in names if name not in known]
    if strange:
        raise DataError(
            f"the target holds {strange[0]!r}, which is none of the model's classes: "
            f"{listed(task.classes)}."
        )
    return np.array([known[name] for name in names], dtype=np.int64)[places]


def _column(table: Table, name: str, as_text: bool | None) -> NDArray[Any]:
    """Give the values of one target column, all of them present."""
    kind = table.column(name).kind
    if kind in ("date", "other"):
        raise DataError(
            f"{table.source}: the target {name!r} holds {kind} values; give numbers or text."
        )
    if as_text is None:
        as_text = kind in ("text", "boolean")
    cells: Any = table.texts(name) if as_text else table.numbers(name)
    absent = cells.is_null().to_numpy(zero_copy_only=False) if as_text else np.isnan(cells)
    missing = np.flatnonzero(absent)
    if len(missing):
        raise DataError(
            f"{table.source}: {table.place(int(missing[0]))}, column {name!r} is empty; "
            f"{len(missing)} of {table.rows} rows have no target: leave them out."
        )
    return np.array(cells.to_pylist(), dtype=str) if as_text else np.asarray(cells)
