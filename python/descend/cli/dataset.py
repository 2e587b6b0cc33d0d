"""Data sets for ``descend train``: scikit-learn's digits, a CSV file, or an NPZ file.

Every reader gives finite numbers, one row an example, and names the place of what is wrong.
"""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.cli.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Dataset", "read"]


@dataclass(frozen=True)
class Dataset:
    """``inputs`` is (rows, columns) in float64; ``target`` (rows,) in float64 or text.

    ``one_unit`` tells that all columns measure the same, as the pixels of an image do.
    """

    name: str
    inputs: NDArray[np.float64]
    target: NDArray[Any]
    one_unit: bool = False


def read(source: str, target: str | None) -> Dataset:
    """Read ``digits``, or a CSV or NPZ file by its ending; ``target`` names the CSV's column."""
    path = Path(source)
    is_npz = path.suffix.lower() == ".npz"
    if target is not None and (source == "digits" or is_npz):
        raise UsageError(f"--target names a column of a CSV file; {source} has none.")
    if source == "digits":
        return _digits()
    if path.suffix.lower() not in (".csv", ".tsv", ".txt", ".npz"):
        raise UsageError(f"{source}: give digits, a .csv, .tsv or .txt file, or a .npz file.")
    try:
        dataset = _npz(path) if is_npz else _csv(path, target)
    except OSError as error:
        raise DataError(f"{source}: {error.strerror or error}.") from error
    if len(dataset.target) == 0:
        raise DataError(f"{source}: no rows of data.")
    if dataset.inputs.shape[1] == 0:
        raise DataError(f"{source}: no columns to learn from beside the target.")
    return dataset


def _digits() -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UsageError(
            'digits come with scikit-learn, which is not installed; pip install "descend[demo]".'
        ) from error
    inputs, target = load_digits(return_X_y=True)
    return Dataset("digits", inputs, target.astype(np.float64), one_unit=True)


def _npz(path: Path) -> Dataset:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise DataError(f"{path}: not an NPZ file, which numpy.savez writes.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = sorted({"X", "y"} - set(arrays))
            if missing:
                raise DataError(
                    f"{path}: no array {' and '.join(missing)}; it has: {', '.join(arrays)}."
                )
            inputs, target = arrays["X"], arrays["y"]
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged, or not of plain arrays: {error}") from error

    if inputs.ndim != 2 or inputs.dtype.kind not in "biuf":
        raise DataError(
            f"{path}: X must be real numbers of shape (rows, columns), "
            f"got {inputs.dtype} of shape {inputs.shape}."
        )
    if target.shape == (len(inputs), 1):
        target = target[:, 0]
    if target.shape != (len(inputs),) or target.dtype.kind not in "biufU":
        raise DataError(
            f"{path}: y must be numbers or text of shape ({len(inputs)},), one a row of X, "
            f"got {target.dtype} of shape {target.shape}."
        )
    if target.dtype.kind != "U":
        target = target.astype(np.float64)
        _require_finite(path, "y", target)
    is_image = inputs.dtype == np.uint8
    inputs = inputs.astype(np.float64)
    _require_finite(path, "X", inputs)
    return Dataset(path.stem, inputs, target, one_unit=is_image)


def _require_finite(path: Path, name: str, values: NDArray[np.float64]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        place = ", ".join(map(str, bad[0]))
        raise DataError(f"{path}: {name}[{place}] is {values[tuple(bad[0])]}, not a finite number.")


def _csv(path: Path, target: str | None) -> Dataset:
    try:
        # utf-8-sig also takes the byte order mark that spreadsheets write.
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            rows = _numbered_rows(csv.reader(file, delimiter=delimiter))
            return _table(path, target, rows)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8: {error}.") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file: {error}.") from error


def _numbered_rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Give each row that is not blank with the number of the line it ends on."""
    for row in reader:
        if row:
            yield reader.line_num, row


def _table(path: Path, target: str | None, rows: Iterator[tuple[int, list[str]]]) -> Dataset:
    _, header = next(rows, (0, []))
    columns = [column.strip() for column in header]
    place = _target_place(path, target, columns)
    inputs = columns[:place] + columns[place + 1 :]

    values = array("d")
    labels: list[str] = []
    for line, row in rows:
        if len(row) != len(columns):
            raise DataError(
                f"{path}: line {line} has {len(row)} cells, "
                f"but the first line names {len(columns)} columns."
            )
        label = row.pop(place).strip()
        if not label or _is_infinite_or_nan(label):
            raise DataError(f"{path}: line {line}, column {target!r} {_what(label)}.")
        labels.append(label)
        values.extend(_numbers(path, line, inputs, row))

    matrix = np.array(values, dtype=np.float64).reshape(len(labels), len(inputs))
    return Dataset(path.stem, matrix, _numbers_or_text(labels))


def _target_place(path: Path, target: str | None, columns: list[str]) -> int:
    if not columns:
        raise DataError(f"{path}: the file is empty.")
    known = ", ".join(columns)
    if target is None:
        raise UsageError(f"{path}: name the column to learn with --target; its columns: {known}.")
    if target not in columns:
        raise DataError(f"{path}: no column {target!r} in its first line, which names: {known}.")
    if columns.count(target) > 1:
        raise DataError(f"{path}: {columns.count(target)} columns are named {target!r}.")
    return columns.index(target)


def _numbers(path: Path, line: int, columns: list[str], row: list[str]) -> list[float]:
    numbers = []
    for column, cell in zip(columns, row, strict=True):
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DataError(
                f"{path}: line {line}, column {column!r} {_what(cell.strip())}; "
                "only the target column may hold text."
            )
        numbers.append(number)
    return numbers


def _what(cell: str) -> str:
    return f"is {cell!r}, not a finite number" if cell else "is empty"


def _is_infinite_or_nan(cell: str) -> bool:
    try:
        return not math.isfinite(float(cell))
    except ValueError:
        return False


def _numbers_or_text(labels: list[str]) -> NDArray[Any]:
    try:
        return np.array([float(label) for label in labels])
    except ValueError:
        return np.array(labels)
