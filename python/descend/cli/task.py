"""What is learnt from a target column: one of its classes, or a real number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.cli.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASS_LOSS", "REAL_LOSSES", "Task", "understand"]

CLASS_LOSS = "softmax_cross_entropy"
REAL_LOSSES = ("squared_error", "absolute_error", "huber")

# Whole numbers of more different values than this are taken for quantities.
_MOST_NUMBERED_CLASSES = 30


@dataclass(frozen=True)
class Task:
    """A loss and its targets: class indices where ``classes`` names them, else real numbers."""

    loss: str
    targets: NDArray[Any]
    classes: list[str] | None

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return len(self.classes) if self.classes else 1

    def __str__(self) -> str:
        if not self.classes:
            return "real numbers"
        more = ", ..." if len(self.classes) > 10 else ""
        return f"{len(self.classes)} classes: {', '.join(self.classes[:10])}{more}"


def understand(target: NDArray[Any], loss: str) -> Task:
    """Turn a target column into a task; the loss ``auto`` follows from its values."""
    values, indices = np.unique(target, return_inverse=True)
    if len(values) == 1:
        raise DataError(f"the target is {values[0]} in every row: there is nothing to learn.")
    is_text = target.dtype.kind == "U"
    repeats = 2 * len(values) <= len(target)
    if loss == "auto":
        counts = not is_text and bool((values == np.round(values)).all())
        numbered = counts and len(values) <= _MOST_NUMBERED_CLASSES and repeats
        loss = CLASS_LOSS if is_text or numbered else "squared_error"

    if loss != CLASS_LOSS:
        if is_text:
            raise DataError(f"the target holds text, such as {values[0]}; {loss} needs numbers.")
        return Task(loss, target, None)
    if not repeats:
        raise DataError(
            f"the target has {len(values)} different values in {len(target)} rows, such as "
            f"{values[0]} and {values[-1]}: too many to be classes."
        )
    names = [str(value) if is_text else f"{value:g}" for value in values]
    return Task(loss, indices.astype(np.int64), names)
