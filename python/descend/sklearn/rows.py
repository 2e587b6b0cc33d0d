"""Rows as the core takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

Array = np.ndarray[Any, Any]


def core_rows(X: Any) -> Any:
    """Return ``X`` C-ordered, or as CSR that has one element in a place where it is sparse."""
    if not issparse(X):
        return np.ascontiguousarray(X)
    rows = X.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()  # what is given stays as it is
        rows.sum_duplicates()
    return rows
