"""Columns of other libraries as NumPy arrays: data frames, series, tables and Arrow's arrays.

The core hands over what is not an array itself and speaks one of their protocols. Columns of one
type in one block of memory are used where they stand; others are converted once, column by column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_array"]

# Rows that are filled together: their parts of all columns stay in cache.
_BLOCK_ROWS = 1024


def as_array(where: str, what: str, value: Any) -> NDArray[Any]:
    """Return a data frame as an array (rows, columns), a series or another array as (rows,).

    ``where`` and ``what`` name the function and the argument in messages. Raises TypeError for
    columns that are not of numbers, and ValueError for missing values.
    """
    library = type(value).__module__.partition(".")[0]
    if library == "pandas":
        return _of_pandas(where, what, value)
    if library == "polars":
        return _of_polars(where, what, value)
    if library != "pyarrow" and not hasattr(value, "__array__"):
        if hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        value = _arrow_of(value)
        library = type(value).__module__.partition(".")[0]
    return _of_arrow(where, what, value) if library == "pyarrow" else np.asarray(value)


def _of_pandas(where: str, what: str, value: Any) -> NDArray[Any]:
    def column(series: Any, name: str) -> NDArray[Any]:
        def to_numpy() -> NDArray[Any]:
            # What nullable columns without nulls hold.
            dtype = getattr(series.dtype, "numpy_dtype", None)
            return series.to_numpy(dtype=dtype)  # type: ignore[no-any-return]

        is_category = series.dtype.name == "category"
        is_nullable = not isinstance(series.dtype, np.dtype) and not is_category
        nulls = int(series.isna().sum()) if is_nullable else 0
        return _checked(where, name, series.dtype, to_numpy, nulls, is_category)

    if value.ndim == 1:
        return column(value, what)
    types = list(set(value.dtypes))
    if len(types) == 1 and isinstance(types[0], np.dtype) and _is_real(types[0]):
        return value.to_numpy()  # type: ignore[no-any-return]
    every = (value.iloc[:, place] for place in range(value.shape[1]))
    return _filled([column(series, _named(what, series.name)) for series in every], len(value))


def _of_polars(where: str, what: str, value: Any) -> NDArray[Any]:
    def column(series: Any, name: str) -> NDArray[Any]:
        is_category = str(series.dtype).startswith(("Categorical", "Enum"))
        nulls = series.null_count()
        return _checked(where, name, series.dtype, series.to_numpy, nulls, is_category)

    if not hasattr(value, "get_columns"):
        return column(value, what)
    return _filled([column(s, _named(what, s.name)) for s in value.get_columns()], len(value))


def _of_arrow(where: str, what: str, value: Any) -> NDArray[Any]:
    def column(array: Any, name: str) -> NDArray[Any]:
        def to_numpy() -> NDArray[Any]:
            return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]

        is_category = str(array.type).startswith("dictionary")
        return _checked(where, name, array.type, to_numpy, array.null_count, is_category)

    if not hasattr(value, "schema"):
        return column(value, what)
    named = zip(value.columns, value.schema.names, strict=True)
    return _filled([column(array, _named(what, name)) for array, name in named], len(value))


def _arrow_of(value: Any) -> Any:
    """Return what Arrow's protocol gives, or the value where pyarrow is not installed."""
    try:
        import pyarrow
    except ImportError:
        return value
    if not hasattr(value, "__arrow_c_stream__"):
        return pyarrow.array(value)
    try:
        return pyarrow.table(value)
    except (TypeError, ValueError):  # a stream of one column
        return pyarrow.chunked_array(value)


def _checked(
    where: str,
    what: str,
    dtype: Any,
    to_numpy: Callable[[], NDArray[Any]],
    nulls: int = 0,
    is_category: bool = False,
) -> NDArray[Any]:
    """Return a column of real numbers without nulls."""
    if nulls:
        raise ValueError(
            f"{where}: {what} has {nulls} missing values; fill them or leave their rows out."
        )
    column = None if is_category else to_numpy()
    if column is None or not _is_real(column.dtype):
        raise TypeError(
            f"{where}: {what} is of type {dtype}, expected numbers; encode it first, categories "
            "of inputs as columns of 0 and 1 (pandas.get_dummies), those of targets as class "
            "indices (numpy.unique(y, return_inverse=True)[1]). descend train does both by itself."
        )
    return column


def _filled(columns: list[NDArray[Any]], rows: int) -> NDArray[Any]:
    """Return the columns side by side, of the smallest type that holds all of theirs."""
    if len(columns) == 1:
        return columns[0].reshape(-1, 1)
    types = {column.dtype for column in columns}
    filled = np.empty((rows, len(columns)), np.result_type(*types) if types else np.float64)
    for begin in range(0, rows, _BLOCK_ROWS):
        block = filled[begin : begin + _BLOCK_ROWS]
        for place, column in enumerate(columns):
            block[:, place] = column[begin : begin + _BLOCK_ROWS]
    return filled


def _is_real(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuf"


def _named(what: str, column: object) -> str:
    return f"column {column!r} of {what}"
