"""Rows drawn apart for training and testing, from arrays of any library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from descend import _core

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["k_fold", "train_test_split"]


def train_test_split(
    *arrays: Any, test_size: float = 0.25, stratify: ArrayLike | None = None, seed: int = 0
) -> list[Any]:
    """Split arrays into rows to train on and rows to test on, drawn at random.

    Parameters
    ----------
    *arrays
        Of equally many rows: NumPy arrays and memory maps, lists, tuples, sparse matrices, and what
        pandas, polars or pyarrow have. The rows are copied into arrays of the same kind; a tuple's
        become a list, and a memory map's an array in memory.
    test_size : float or int
        The fraction of the rows that are for the test, in (0, 1), rounded to whole rows; or their
        number.
    stratify : array_like of shape (rows,), optional
        The class of each row, of any type that can be sorted, such as the targets: then each class
        has its share of the test's rows, rounded by largest remainders.
    seed : int
        Key of the draw; the same rows come for the same seed, sizes and classes.

    Returns
    -------
    list
        The training part and the test part of the first array, of the second, and so on; the rows
        of a part are in random order, the same in every array.

    Raises
    ------
    ValueError
        If the arrays are not of equally many rows, or a part would be empty.
    TypeError
        If an argument is of another kind.

    Examples
    --------
    >>> import descend as ds
    >>> train, test = ds.train_test_split(list("abcdefgh"), seed=0)
    >>> len(train), len(test)
    (6, 2)
    """
    where = "train_test_split"
    rows = _row_count(where, arrays)
    test_rows = _test_rows(where, rows, test_size)
    classes = _classes(where, rows, stratify)
    train, test = _core._train_test_rows(rows, test_rows, seed, classes)
    return [part for array in arrays for part in (_take(array, train), _take(array, test))]


def k_fold(
    *arrays: Any, folds: int = 5, stratify: ArrayLike | None = None, seed: int = 0
) -> Iterator[list[Any]]:
    """Split arrays ``folds`` times, so that each row is for the test once.

    The tests' sizes differ by one row at most, and with ``stratify`` so do their numbers of rows of
    each class.

    Parameters
    ----------
    *arrays, stratify, seed
        As for `train_test_split`.
    folds : int
        How many splits, from 2 to the number of rows.

    Yields
    ------
    list
        As `train_test_split` gives it.

    Raises
    ------
    ValueError, TypeError
        As `train_test_split` does, before the first split is taken.

    Examples
    --------
    >>> import descend as ds
    >>> [len(test) for train, test in ds.k_fold(list("abcdefg"), folds=3)]
    [3, 2, 2]
    """
    where = "k_fold"
    rows = _row_count(where, arrays)
    splits = _core._fold_rows(rows, folds, seed, _classes(where, rows, stratify))
    return (
        [part for array in arrays for part in (_take(array, train), _take(array, test))]
        for train, test in splits
    )


def _row_count(where: str, arrays: tuple[Any, ...]) -> int:
    if not arrays:
        raise TypeError(f"{where}: give at least one array.")
    counts = [_rows_of(where, place, array) for place, array in enumerate(arrays)]
    if len(set(counts)) > 1:
        raise ValueError(
            f"{where}: the arrays have {', '.join(map(str, counts))} rows; they must be as many."
        )
    return counts[0]


def _rows_of(where: str, place: int, array: Any) -> int:
    shape = getattr(array, "shape", None)
    no_rows = isinstance(array, str | bytes | memoryview | Mapping | Set) or shape == ()
    if isinstance(shape, tuple) and not no_rows:
        return int(shape[0])
    if no_rows or not hasattr(array, "__len__"):
        raise TypeError(
            f"{where}: array {place} is of type {type(array).__name__}, "
            "expected rows, such as an array, a list or a data frame."
        )
    return len(array)


def _test_rows(where: str, rows: int, test_size: float) -> int:
    if isinstance(test_size, Integral) and not isinstance(test_size, bool):
        if not 0 < test_size < rows:
            raise ValueError(
                f"{where}: test_size is {test_size} rows of {rows}, expected 1 to {rows - 1}, "
                "or a fraction in (0, 1)."
            )
        return int(test_size)
    if not isinstance(test_size, Real) or isinstance(test_size, bool):
        raise TypeError(
            f"{where}: test_size must be a fraction or a number of rows, got {test_size!r}."
        )
    if not 0 < test_size < 1:
        raise ValueError(f"{where}: test_size is a fraction in (0, 1), got {test_size!r}.")
    test_rows = round(rows * float(test_size))
    if not 0 < test_rows < rows:
        raise ValueError(
            f"{where}: test_size={test_size!r} of {rows} rows is {test_rows} rows, which leaves a "
            "part empty."
        )
    return test_rows


def _classes(where: str, rows: int, stratify: ArrayLike | None) -> Any:
    """Number the classes 0, 1, ... in their order."""
    if stratify is None:
        return None
    if isinstance(stratify, np.ma.MaskedArray):
        raise TypeError(
            f"{where}: stratify is a masked array, whose mask would be lost; fill it first."
        )
    try:
        given = np.asarray(stratify)
    except ValueError as error:
        raise ValueError(f"{where}: stratify cannot be read as an array: {error}") from error
    if given.shape != (rows,):
        raise ValueError(
            f"{where}: stratify has shape {given.shape}, expected one class for each of the "
            f"{rows} rows."
        )
    try:
        return np.unique(given, return_inverse=True)[1]
    except TypeError as error:
        raise TypeError(
            f"{where}: stratify has classes that cannot be sorted, such as missing ones beside "
            f"text: {error}"
        ) from error


def _take(array: Any, rows: Any) -> Any:
    """Return a copy of the rows, in their order."""
    if isinstance(array, list | tuple):
        return [array[row] for row in rows]
    if hasattr(array, "iloc"):  # pandas, whose [] is by label
        return array.iloc[rows]
    if type(array).__module__.partition(".")[0] == "pyarrow":
        return array.take(rows)
    return array[rows]
