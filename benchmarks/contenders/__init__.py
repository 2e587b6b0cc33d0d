"""The libraries that are compared: one module each, with

    make_epoch(task, X, y, threads) -> epoch()

where each call of ``epoch`` trains on all rows once, in new random minibatches, and returns the
mean training loss. A module imports its library, and raises `UnsupportedError` for a task that the
library cannot do.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["MODULES", "Epoch", "UnsupportedError"]

Epoch = Callable[[], float]

# The module of each contender, in the order of the table's columns.
MODULES = {
    "descend": "descend_epochs",
    "PyTorch": "torch_epochs",
    "torch.compile": "torch_compiled_epochs",
    "JAX": "jax_epochs",
    "scikit-learn": "sklearn_epochs",
    "NumPy": "numpy_epochs",
}


class UnsupportedError(Exception):
    """The library lacks something that the task asks for."""
