"""Rows as the core takes them: dense, a sparse matrix in parts where it is large."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

Array = np.ndarray[Any, Any]

# A sparse matrix that takes more bytes densely stands so in parts alone.
DENSE_BYTES = 2**26


def dense_where_small(X: Any) -> Any:
    """Return ``X`` as C-ordered rows, or as CSR where it is sparse and large."""
    if not issparse(X):
        return np.ascontiguousarray(X)
    small = X.shape[0] * X.shape[1] * X.dtype.itemsize <= DENSE_BYTES
    return X.toarray() if small else X.tocsr()


def dense_parts(X: Any, batch_size: int) -> Iterator[tuple[slice, Array]]:
    """Yield the rows of ``X`` densely: all at once, or in parts of whole minibatches if sparse."""
    n_rows, n_columns = X.shape
    if not issparse(X):
        yield slice(0, n_rows), X
        return
    X = X.tocsr()
    batches = DENSE_BYTES // max(1, n_columns * X.dtype.itemsize * batch_size)
    step = max(1, batches) * batch_size
    for begin in range(0, n_rows, step):
        rows = slice(begin, min(begin + step, n_rows))
        yield rows, X[rows].toarray()
