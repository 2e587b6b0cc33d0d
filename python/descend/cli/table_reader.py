"""CSV and Parquet files, read by pyarrow: one package for both, without dependencies of its own.

Every error names the file, and the line or row of what is wrong.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from descend.cli.errors import DataError, UsageError, reason
from descend.cli.table import Column, Table, column_of, inferred

__all__ = ["CSV_ENDINGS", "PARQUET_ENDINGS", "is_typed", "read_table", "table_of"]

CSV_ENDINGS = (".csv", ".tsv", ".txt")
PARQUET_ENDINGS = (".parquet", ".pq")


def is_typed(path: Path) -> bool:
    """Tell whether the file says of what type each column is."""
    return path.suffix.lower() in PARQUET_ENDINGS


def read_table(path: Path) -> Table:
    """Read a CSV or Parquet file, as its ending says; a CSV file's first line names the columns."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "CSV and Parquet files are read by pyarrow, which is not installed; "
            'pip install "descend[table]".'
        ) from error
    try:
        with path.open("rb"):  # a missing file has the system's message
            pass
        table = _parquet(path) if is_typed(path) else _csv(path)
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}.") from error
    if table.rows == 0:
        raise DataError(f"{path}: no rows of data.")
    return table


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            cells = file.read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {_line(error)}") from error
    return table_of(cells, str(path))


def table_of(cells: Any, source: str) -> Table:
    """Take the columns of an Arrow table, whose types say what they hold."""
    return _table(source, cells, lambda row: f"row {row + 1}", column_of)


def _csv(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    delimiter, names = _first_line(path)
    wrong: list[Any] = []

    def is_wrong(row: Any) -> str:
        wrong.append(row)
        return "error"

    # Every record is read as text, the names among them: one rule finds the kinds of cells, here
    # and where a model is used. With one thread the number of a wrong record is known.
    places = [str(place) for place in range(len(names))]
    try:
        cells = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False, column_names=places),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=is_wrong
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.large_string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        if wrong:
            place = _place(path, delimiter, wrong[0].number - 1)
            raise DataError(
                f"{path}: {place} has {wrong[0].actual_columns} cells, "
                f"but the first line names {len(names)} columns."
            ) from error
        raise DataError(f"{path}: not a readable CSV file: {_line(error)}") from error
    cells = cells.slice(1).rename_columns(names)
    return _table(
        str(path),
        cells,
        lambda row: _place(path, delimiter, row + 1),
        lambda column: inferred(column_of(column)),
    )


def _first_line(path: Path) -> tuple[str, list[str]]:
    """Give the delimiter and the names."""
    try:
        # utf-8-sig also takes the byte order mark that spreadsheets write.
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((line for line in file if line.strip()), "")
            delimiter = max(",;\t", key=first.count)
            file.seek(0)
            names = next((row for row in csv.reader(file, delimiter=delimiter) if row), [])
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8: {error}.") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file: {error}.") from error
    if not names:
        raise DataError(f"{path}: the file is empty.")
    return delimiter, [name.strip() for name in names]


def _place(path: Path, delimiter: str, record: int) -> str:
    """Say on which line a record ends; blank lines count, but are no records."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            lines = (reader.line_num for row in reader if row)
            return f"line {next(islice(lines, record, None), reader.line_num)}"
    except (csv.Error, UnicodeDecodeError):  # a cell of more than 128 KiB, for one
        return f"record {record + 1}"


def _table(
    source: str, cells: Any, place: Callable[[int], str], column_of: Callable[[Any], Column]
) -> Table:
    import pyarrow as pa

    names = cells.column_names
    repeated = [name for name, count in Counter(names).items() if count > 1 and name]
    if repeated:
        raise DataError(
            f"{source}: {names.count(repeated[0])} columns are named {repeated[0]!r}; "
            "give each its own name."
        )
    columns, left_out = {}, []
    for number, (name, chunks) in enumerate(zip(names, cells.columns, strict=True), 1):
        if name == "" or name.startswith("__index_level_"):
            left_out.append(name or f"number {number}, which has no name")
        else:
            try:
                columns[name] = column_of(chunks.combine_chunks())
            except pa.ArrowException as error:
                raise DataError(f"{source}: column {name!r}: {_line(error)}") from error
    return Table(source, cells.num_rows, columns, place, left_out)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
