"""How the columns of a table become the inputs of a network.

number, boolean  the value, the mean of the training rows where it is missing; beside it an input
                 that is 1 where it is missing, if it ever was in the training rows
text             an input for each level of the training rows, 1 where the row has it, and one for
                 missing; a level they did not have leaves all at 0
constant         nothing

All is measured on the training rows. The inputs are in the columns' own units; `Scaling` is what
standardises them for the training.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from descend.cli.dataset import Matrix
from descend.cli.errors import DataError
from descend.cli.scaling import Scaling
from descend.cli.table import Table
from descend.cli.words import listed

__all__ = ["Encoded", "Preparation", "PreparedColumn", "measure"]

_FEWEST_LEVELS_TO_REFUSE = 10
MOST_LEVELS = 100


@dataclass(frozen=True)
class PreparedColumn:
    """What the training rows say of one column.

    ``mean`` and ``deviation`` are those of the numbers present. ``levels`` are texts, sorted.
    ``missing`` tells whether a missing value has an input of its own.
    """

    name: str
    kind: Literal["number", "boolean", "text", "constant"]
    mean: float = 0.0
    deviation: float = 0.0
    levels: tuple[str, ...] = ()
    missing: bool = False

    @property
    def inputs(self) -> list[str]:
        """Names of the network's inputs that come of this column."""
        names = [f"{self.name}={level}" for level in self.levels]
        names += [self.name] * self.is_number
        return [*names, *[f"{self.name} is missing"] * self.missing]

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers, which are standardised for the training."""
        return self.kind in ("number", "boolean")

    def __str__(self) -> str:
        missing = "; an input for missing" if self.missing else ""
        if self.is_number:
            return f"{self.kind}: mean {self.mean:.6g}, deviation {self.deviation:.6g}{missing}"
        if self.kind == "text":
            return f"text: an input for each of {len(self.levels)} levels{missing}"
        return "left out: the same in every training row"


@dataclass(frozen=True)
class Encoded:
    """``inputs`` (rows, inputs) in float64, and how often a value was new to the preparation."""

    inputs: NDArray[np.float64]
    unknown: dict[str, int]

    def notes(self) -> list[str]:
        """Say of each column how many values the training rows did not have."""
        return [
            f"column {name!r}: {count} of {len(self.inputs)} rows hold a value that no training "
            "row has"
            for name, count in self.unknown.items()
        ]


@dataclass(frozen=True)
class Preparation:
    """The columns that are learnt from, in the order of the network's inputs."""

    columns: tuple[PreparedColumn, ...]

    @property
    def inputs(self) -> list[str]:
        """Names of the network's inputs."""
        return [name for column in self.columns for name in column.inputs]

    @property
    def scaling(self) -> Scaling:
        """Mean and gain of each input; inputs of 0 and 1 stay as they are."""
        mean, gain = [], []
        for column in self.columns:
            width = len(column.inputs)
            if column.is_number:
                # A column that is either missing or always the same has no deviation.
                gain.append(1.0 / column.deviation if column.deviation > 0 else 0.0)
                mean.append(column.mean)
                width -= 1
            mean += [0.0] * width
            gain += [1.0] * width
        return Scaling(np.array(mean), np.array(gain))

    def encode(self, table: Matrix | Table) -> Encoded:
        """Give the inputs of each row of a table, its columns in any order."""
        if isinstance(table, Matrix):
            raise DataError(
                f"{table.source}: the model was trained on a table, whose columns have names."
            )
        needed = [column.name for column in self.columns if column.inputs]
        absent = [repr(name) for name in needed if name not in table.columns]
        if absent:
            raise DataError(
                f"{table.source}: no column {listed(absent)}, which the model needs; "
                f"it has: {listed(table.columns)}."
            )
        inputs = np.zeros((table.rows, len(self.inputs)))
        unknown: dict[str, int] = {}
        first = 0
        for column in self.columns:
            behind = first + len(column.inputs)
            encode = _encode_number if column.is_number else _encode_text
            if behind > first:
                new = encode(column, table, inputs[:, first:behind])
                unknown.update({column.name: new} if new else {})
            first = behind
        return Encoded(inputs, unknown)

    def notes(self) -> list[str]:
        """Name the columns that give no input."""
        constant = [repr(column.name) for column in self.columns if column.kind == "constant"]
        if len(constant) > 1:
            return [
                f"{len(constant)} columns are left out, each the same in every training row: "
                f"{listed(constant)}"
            ]
        return [f"column {name} is left out: the same in every training row" for name in constant]

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` takes."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Preparation:
        """Read what `to_json` gave."""
        columns = [{**column, "levels": tuple(column["levels"])} for column in stored["columns"]]
        return cls(tuple(PreparedColumn(**column) for column in columns))


def measure(
    table: Table, names: list[str], rows: NDArray[np.intp], most_levels: int | None = None
) -> Preparation:
    """Take the preparation of the columns named from the training rows."""
    if most_levels is None:
        most_levels = min(MOST_LEVELS, max(_FEWEST_LEVELS_TO_REFUSE, len(rows) // 2))
    columns = tuple(_measured(table, name, rows, most_levels) for name in names)
    if all(column.kind == "constant" for column in columns):
        raise DataError("the training rows are all alike: there is nothing to learn.")
    return Preparation(columns)


def _measured(table: Table, name: str, rows: NDArray[np.intp], most_levels: int) -> PreparedColumn:
    kind = table.column(name).kind
    if kind in ("date", "other"):
        what = "dates or times" if kind == "date" else f"{table.column(name).cells.type} values"
        raise DataError(
            f"column {name!r} holds {what}, which are not learnt from; leave it out with "
            f"--drop {name!r}, or give it as numbers, such as days since the first."
        )
    if kind == "text":
        return _measured_text(table, name, rows, most_levels)
    numbers = table.numbers(name)[rows]
    present = numbers[~np.isnan(numbers)]
    missing = 0 < len(present) < len(numbers)
    if len(present) == 0 or (present.min() == present.max() and not missing):
        return PreparedColumn(name, "constant")
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(present.mean()), float(present.std())
    if not np.isfinite(deviation):
        raise DataError(
            f"column {name!r}: the numbers are too large to standardise; scale them down first."
        )
    # Rounding leaves a constant column a deviation near 0, not at 0.
    deviation = deviation if present.min() != present.max() else 0.0
    is_boolean = kind == "boolean"
    return PreparedColumn(
        name, "boolean" if is_boolean else "number", mean, deviation, missing=missing
    )


def _measured_text(
    table: Table, name: str, rows: NDArray[np.intp], most_levels: int
) -> PreparedColumn:
    texts = table.texts(name).take(_arrow(rows))
    levels = sorted(texts.drop_null().unique().to_pylist())
    missing = texts.null_count > 0
    if len(levels) + missing < 2:
        return PreparedColumn(name, "constant")
    if len(levels) > most_levels:
        raise DataError(
            f"column {name!r} has {len(levels)} different texts in {len(rows)} training rows, such "
            f"as {levels[0]!r} and {levels[-1]!r}: too many for an input each. Leave it out with "
            f"--drop {name!r}, or allow them with --max-levels {len(levels)}."
        )
    return PreparedColumn(name, "text", levels=tuple(levels), missing=missing)


def _encode_number(column: PreparedColumn, table: Table, inputs: NDArray[np.float64]) -> int:
    numbers = table.numbers(column.name)
    absent = np.isnan(numbers)
    inputs[:, 0] = np.where(absent, column.mean, numbers)
    if column.missing:
        inputs[:, 1] = absent
        return 0
    return int(absent.sum())


def _encode_text(column: PreparedColumn, table: Table, inputs: NDArray[np.float64]) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = table.texts(column.name)
    levels = pa.array([*column.levels, *[None] * column.missing], texts.type)
    places = pc.fill_null(pc.index_in(texts, levels), -1).to_numpy(zero_copy_only=False)
    known = np.flatnonzero(places >= 0)
    inputs[known, places[known]] = 1.0
    return len(texts) - len(known)


def _arrow(rows: NDArray[np.intp]) -> Any:
    import pyarrow as pa

    return pa.array(rows)
