"""What a sparse matrix is, without importing a library that has one."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["SparseMatrix"]


class SparseMatrix(Protocol):
    """A matrix that is or becomes one of compressed rows (CSR), as those of ``scipy.sparse``.

    The core reads ``data``, ``indices``, ``indptr`` and ``shape`` where ``format`` is ``"csr"``,
    and of what ``tocsr()`` returns otherwise.
    """

    def tocsr(self) -> Any:
        """Return the matrix as CSR."""
