"""Figures of a training run. Needs matplotlib, the extra ``descend[plot]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from descend.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["learning_curves"]


def learning_curves(history: History) -> Figure:
    """Draw training and validation loss by epoch, on a figure that pyplot does not know.

    The loss axis is logarithmic where all losses are positive and span a factor of ten.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError(
            'History.plot: matplotlib is not installed; get it with pip install "descend[plot]".'
        ) from error
    if not history.loss:
        raise ValueError("History.plot: the history holds no epoch; train for one at least.")

    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    # A line through one point is invisible without a marker.
    marker = "o" if len(history.loss) == 1 else ""
    curves = {"training": history.loss, "validation": history.validation_loss}
    for name, losses in curves.items():
        if losses:
            axes.plot(range(1, len(losses) + 1), losses, marker=marker, label=name)

    everything = [*history.loss, *history.validation_loss]
    if min(everything) > 0 and max(everything) > 10 * min(everything):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel="loss", title=f"stopped by {history.stop_reason}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
