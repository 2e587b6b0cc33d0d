"""How good predictions are, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["accuracy", "root_mean_squared_error"]


def accuracy(outputs: NDArray[Any], labels: NDArray[Any]) -> str:
    """Say how many rows of (rows, classes) outputs have their largest at the label."""
    right = int((outputs.argmax(axis=1) == labels).sum())
    return f"accuracy {right / len(labels):.4f} ({right} of {len(labels)})"


def root_mean_squared_error(outputs: NDArray[Any], targets: NDArray[Any]) -> str:
    """Say the error of (rows, 1) outputs, and R^2 where the targets vary."""
    squared = float(((outputs[:, 0] - targets) ** 2).mean())
    variance = float(targets.var())
    r_squared = f", R^2 {1 - squared / variance:.4f}" if variance > 0 else ""
    return f"root mean squared error {np.sqrt(squared):.6g}{r_squared}"
