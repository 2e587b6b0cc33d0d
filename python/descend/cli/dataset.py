"""Data sets of the command line: scikit-learn's digits, an NPZ file, or a table.

An NPZ file gives a `Matrix`, whose columns have no names; CSV and Parquet files a `Table`. Every
reader names the place of what is wrong.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.cli.errors import DataError, UsageError
from descend.cli.table import Table
from descend.cli.table_reader import CSV_ENDINGS, PARQUET_ENDINGS, read_table, table_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Matrix", "given", "name_of", "read"]


@dataclass(frozen=True)
class Matrix:
    """``inputs`` is (rows, columns) in float64; ``target`` (rows,) in float64 or text, or None.

    ``one_unit`` tells that all columns measure the same, as the pixels of an image do.
    """

    source: str
    inputs: NDArray[np.float64]
    target: NDArray[Any] | None
    one_unit: bool = False

    @property
    def rows(self) -> int:
        """Rows of the inputs."""
        return len(self.inputs)


def name_of(source: str) -> str:
    """Give the name of a data set, after which the folder of its model is named."""
    return Path(source).stem


def read(source: str) -> Matrix | Table:
    """Read ``digits``, or a file by its ending."""
    path = Path(source)
    ending = path.suffix.lower()
    if source == "digits":
        return _digits()
    if ending in (*CSV_ENDINGS, *PARQUET_ENDINGS):
        return read_table(path)
    if ending != ".npz":
        raise UsageError(
            f"{source}: give digits, a table ({', '.join((*CSV_ENDINGS, *PARQUET_ENDINGS))}) "
            "or a .npz file."
        )
    try:
        matrix = _npz(path)
    except OSError as error:
        raise DataError(f"{source}: {error.strerror or error}.") from error
    if matrix.rows == 0:
        raise DataError(f"{source}: no rows of data.")
    if matrix.inputs.shape[1] == 0:
        raise DataError(f"{source}: no columns to learn from.")
    return matrix


def given(data: Any) -> Matrix | Table:
    """Take a data frame, which holds a table, or an array of shape (rows, columns)."""
    if hasattr(data, "__arrow_c_stream__"):
        try:
            import pyarrow as pa
        except ImportError as error:
            raise UsageError(
                "data frames are read by pyarrow, which is not installed; "
                'pip install "descend[table]".'
            ) from error
        return table_of(pa.table(data), "the table")
    return Matrix("the array", _checked_inputs("the array", "X", np.asarray(data)), None)


def _digits() -> Matrix:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UsageError(
            'digits come with scikit-learn, which is not installed; pip install "descend[demo]".'
        ) from error
    inputs, target = load_digits(return_X_y=True)
    return Matrix("digits", inputs, target.astype(np.float64), one_unit=True)


def _npz(path: Path) -> Matrix:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise DataError(f"{path}: not an NPZ file, which numpy.savez writes.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "X" not in arrays:
                raise DataError(f"{path}: no array X; it has: {', '.join(arrays)}.")
            inputs = arrays["X"]
            target = arrays.get("y")
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged, or not of plain arrays: {error}") from error

    is_image = inputs.dtype == np.uint8
    inputs = _checked_inputs(str(path), "X", inputs)
    if target is not None:
        target = _npz_target(path, target, len(inputs))
    return Matrix(str(path), inputs, target, one_unit=is_image)


def _checked_inputs(source: str, name: str, inputs: NDArray[Any]) -> NDArray[np.float64]:
    if inputs.ndim != 2 or inputs.dtype.kind not in "biuf":
        raise DataError(
            f"{source}: {name} must be real numbers of shape (rows, columns), "
            f"got {inputs.dtype} of shape {inputs.shape}."
        )
    inputs = inputs.astype(np.float64)
    _require_finite(source, name, inputs)
    return inputs


def _npz_target(path: Path, target: NDArray[Any], rows: int) -> NDArray[Any]:
    if target.shape == (rows, 1):
        target = target[:, 0]
    if target.shape != (rows,) or target.dtype.kind not in "biufU":
        raise DataError(
            f"{path}: y must be numbers or text of shape ({rows},), one a row of X, "
            f"got {target.dtype} of shape {target.shape}."
        )
    if target.dtype.kind != "U":
        target = target.astype(np.float64)
        _require_finite(str(path), "y", target)
    return target


def _require_finite(source: str, name: str, values: NDArray[np.float64]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        place = ", ".join(map(str, bad[0]))
        raise DataError(
            f"{source}: {name}[{place}] is {values[tuple(bad[0])]}, not a finite number."
        )
