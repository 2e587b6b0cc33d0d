"""Figures of a training run. Needs matplotlib, the extra ``descend[plot]``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from descend.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["learning_curves"]


def learning_curves(history: History) -> Figure:
    """Draw training and validation loss by epoch, on a figure that pyplot does not know.

    The lowest validation loss is marked. Metrics share a panel below, each in one colour, dashed
    on the validation rows; a learning rate that changes has its own. Losses and rates that are
    positive and span a factor of ten have a logarithmic axis.
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

    drawings = [_draw_losses]
    if any(history.metrics.values()):
        drawings.append(_draw_metrics)
    if len(set(history.learning_rate)) > 1:
        drawings.append(_draw_learning_rate)
    height = 4.0 if len(drawings) == 1 else 2.8 * len(drawings)
    figure = Figure(figsize=(6.4, height), dpi=150, layout="constrained")
    panels = figure.subplots(len(drawings), sharex=True, squeeze=False)[:, 0]
    for axes, draw in zip(panels, drawings, strict=True):
        draw(axes, history)
        axes.grid(alpha=0.3)
    panels[0].set(title=f"stopped by {history.stop_reason}")
    panels[-1].set(xlabel="epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _draw_losses(axes: Any, history: History) -> None:
    curves = {"training": history.loss, "validation": history.validation_loss}
    for name, losses in curves.items():
        if losses:
            _curve(axes, history, losses, label=name)
    if history.validation_loss:
        _mark_lowest(axes, history.validation_loss)
    _choose_scale(axes, [*history.loss, *history.validation_loss])
    axes.set(ylabel="loss")
    axes.legend(frameon=False)


def _mark_lowest(axes: Any, losses: list[float]) -> None:
    """Mark the epoch whose parameters ``patience`` keeps."""
    lowest = losses.index(min(losses))
    axes.plot([lowest + 1], losses[lowest], "o", color="C1", label=f"lowest: epoch {lowest + 1}")


def _draw_metrics(axes: Any, history: History) -> None:
    for place, (name, values) in enumerate(history.metrics.items()):
        _curve(axes, history, values, label=name, color=f"C{place % 10}")
        if validation := history.validation_metrics.get(name):
            label, color = f"validation {name}", f"C{place % 10}"
            _curve(axes, history, validation, label=label, color=color, linestyle="--")
    axes.set(ylabel="metrics" if len(history.metrics) > 1 else next(iter(history.metrics)))
    axes.legend(frameon=False, fontsize="small")


def _draw_learning_rate(axes: Any, history: History) -> None:
    _curve(axes, history, history.learning_rate)
    _choose_scale(axes, history.learning_rate)
    axes.set(ylabel="learning rate")


def _curve(axes: Any, history: History, values: list[float], **style: Any) -> None:
    # A line through one point is invisible without a marker.
    marker = "o" if len(history.loss) == 1 else ""
    axes.plot(range(1, len(values) + 1), values, marker=marker, **style)


def _choose_scale(axes: Any, values: list[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) > 10 * min(finite):
        axes.set_yscale("log")
