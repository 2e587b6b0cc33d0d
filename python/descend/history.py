"""What a training run gave."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["History"]


@dataclass(frozen=True, repr=False)
class History:
    """The record of one call of ``Trainer.fit``.

    Parameters
    ----------
    loss : list of float
        Mean training loss of each epoch, each row taken before the update of its step.
    validation_loss : list of float
        Loss on the validation rows after each epoch; empty without them.
    steps : int
        Optimizer steps of this run.
    seconds : float
        Wall time of this run.
    stop_reason : str
        The condition that ended it: ``"epochs"``, a field of `Stop`, or ``"interrupted"``.
    noise_scale : list of float
        Of a trainer with ``track_gradient_noise``: the noise scale of each epoch, tr Sigma over
        |G|^2, both summed over every eighth step from the first, each from the step's own minibatch
        (McCandlish et al. 2018, appendix A.1). Dropout adds to it, a penalty does not. Infinite
        where the steps show no gradient.
    """

    loss: list[float]
    validation_loss: list[float]
    steps: int
    seconds: float
    stop_reason: str
    noise_scale: list[float] = field(default_factory=list)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw training and validation loss by epoch.

        Parameters
        ----------
        path : str or path, optional
            Where to write the figure too; its ending chooses the format (PNG, SVG, PDF).

        Returns
        -------
        matplotlib.figure.Figure
            Drawn without pyplot: no window opens, and the backend stays as it was.

        Raises
        ------
        ImportError
            If matplotlib is not installed: ``pip install "descend[plot]"``.
        ValueError
            If no epoch was run.
        """
        from descend.plots import learning_curves

        figure = learning_curves(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def __repr__(self) -> str:
        losses = f"loss={self.loss[-1]:.6g}, " if self.loss else ""
        if self.validation_loss:
            losses += f"validation_loss={self.validation_loss[-1]:.6g}, "
        return (
            f"History({losses}epochs={len(self.loss)}, steps={self.steps}, "
            f"seconds={self.seconds:.3g}, stop_reason={self.stop_reason!r})"
        )
