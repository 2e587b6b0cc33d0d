"""A table of named columns, each of one kind:

number   real numbers, NaN where one is missing
boolean  false and true, as 0 and 1
text     labels
empty    nothing in any row
date     dates or times of day, which are not learnt from
other    whatever else a Parquet file may hold: lists, bytes, durations

Cells are missing where they are empty or spelt as in `MISSING`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.cli.errors import DataError
from descend.cli.words import listed

__all__ = ["MISSING", "Column", "Table", "column_of", "inferred", "number_text"]

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null")

_DATE = (
    r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?"  # 2024-02-29, 2024-02-29T12:00:00Z
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}( .*)?"  # 29.02.2024, 2/29/2024
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)$"  # 12:00
)


@dataclass(frozen=True)
class Column:
    """One column: ``cells`` as the file has them, and what is read from them.

    ``numbers`` is (rows,) in float64 for the kinds number and boolean, ``texts`` an Arrow array of
    strings for columns that a file holds as text; the other of the two may be None.
    """

    kind: str
    cells: Any
    numbers: NDArray[np.float64] | None = None
    texts: Any = None


@dataclass(frozen=True)
class Table:
    """``rows`` rows of the columns of one file; ``place`` says where a row, from 0, stands in it.

    ``left_out`` names the columns that no name tells apart, such as an index.
    """

    source: str
    rows: int
    columns: dict[str, Column]
    place: Callable[[int], str]
    left_out: list[str] = field(default_factory=list)

    def column(self, name: str) -> Column:
        """Give a column by its name."""
        if name not in self.columns:
            alike = get_close_matches(name, self.columns, 1)
            meant = f" (did you mean {alike[0]!r}?)" if alike else ""
            raise DataError(
                f"{self.source}: no column {name!r}{meant}; it has: {listed(self.columns)}."
            )
        return self.columns[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Give a column's finite numbers, NaN where one is missing."""
        column = self.column(name)
        values = column.numbers
        if column.kind == "empty":
            values = np.full(self.rows, np.nan)
        elif values is None and column.texts is not None:
            values = _parsed(_booleans_as_numbers(column.texts))
        if values is None:
            raise DataError(f"{self.source}: {self._no_number(name)}.")
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            place = self.place(int(infinite[0]))
            raise DataError(
                f"{self.source}: {place}, column {name!r} is {values[infinite[0]]}, "
                "not a finite number."
            )
        return values

    def texts(self, name: str) -> Any:
        """Give a column as an Arrow array of strings, null where one is missing."""
        import pyarrow as pa

        column = self.column(name)
        if column.texts is not None:
            return column.texts
        if column.numbers is None:
            return pa.nulls(self.rows, pa.large_string())
        spelt = _boolean_text if column.kind == "boolean" else number_text
        values, places = np.unique(column.numbers, return_inverse=True)
        names = [None if np.isnan(value) else spelt(float(value)) for value in values]
        return pa.array(names, pa.large_string()).take(pa.array(places))

    def _no_number(self, name: str) -> str:
        column = self.columns[name]
        if column.texts is not None:
            for row, text in enumerate(column.texts.to_pylist()):
                if text is not None and not _is_number(text):
                    return f"{self.place(row)}, column {name!r} is {text!r}, not a number"
        return f"column {name!r} holds {column.kind} values ({column.cells.type}), not numbers"


def column_of(cells: Any) -> Column:
    """Find the kind of an Arrow array, text that a CSV file holds among them."""
    import pyarrow as pa

    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells = cells.cast(kind.value_type)
        kind = cells.type
    if pa.types.is_null(kind) or cells.null_count == len(cells):
        return Column("empty", cells)
    if pa.types.is_boolean(kind):
        return Column("boolean", cells, _float64(cells.cast(pa.int8())))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = _float64(cells)
        return Column("empty" if np.isnan(numbers).all() else "number", cells, numbers)
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return Column("date", cells)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        texts = _trimmed(cells)
        empty = texts.null_count == len(texts)
        return Column("empty", cells) if empty else Column("text", cells, texts=texts)
    return Column("other", cells)


def inferred(column: Column) -> Column:
    """Find what the text of a CSV file stands for: numbers, booleans, dates, or labels."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.kind != "text":
        return column
    texts = column.texts
    numbers = _parsed(texts)
    if numbers is not None:
        return Column("number", column.cells, numbers, texts)
    lower = pc.utf8_lower(texts)
    booleans = pc.index_in(lower, pa.array(["false", "true"], lower.type))
    if booleans.null_count == texts.null_count:
        return Column("boolean", column.cells, _float64(booleans), texts)
    is_date = pc.all(pc.match_substring_regex(texts, _DATE)).as_py()
    return Column("date" if is_date else "text", column.cells, texts=texts)


def number_text(value: float) -> str:
    """Spell a number as briefly as no other number is spelt."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def _boolean_text(value: float) -> str:
    return "true" if value else "false"


def _trimmed(cells: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(cells.cast(pa.large_string()))
    missing = pc.is_in(texts, pa.array(MISSING, pa.large_string()))
    return pc.if_else(missing, pa.scalar(None, pa.large_string()), texts)


def _parsed(texts: Any) -> NDArray[np.float64] | None:
    import pyarrow as pa

    try:
        return _float64(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None


def _is_number(text: str) -> bool:
    import pyarrow as pa

    return _parsed(_booleans_as_numbers(pa.array([text], pa.large_string()))) is not None


def _booleans_as_numbers(texts: Any) -> Any:
    import pyarrow.compute as pc

    lower = pc.utf8_lower(texts)
    without_true = pc.if_else(pc.equal(lower, "true"), "1", texts)
    return pc.if_else(pc.equal(lower, "false"), "0", without_true)


def _float64(cells: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    # Not safe: integers beyond 2**53 lose digits, as they would in any network.
    numbers = cells.cast(pa.float64(), safe=False)
    array: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return array
