"""The figures of a result, as PNG images: learning curves, and predicted against true."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import descend
from descend.cli.evaluation import Evaluation
from descend.cli.words import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawn", "draw"]

_MOST_CLASSES_COUNTED = 20  # beyond, the counts would not be read in their cells
_MOST_POINTS = 20_000
_MOST_TARGETS = 12  # in panels of their own
_PANELS_A_ROW = 3


@dataclass(frozen=True)
class Drawn:
    """A figure: the bytes of a PNG file, and what it shows."""

    png: bytes
    caption: str


def draw(history: descend.History | None, evaluation: Evaluation) -> dict[str, Drawn]:
    """Draw what there is, by the name of its file; nothing where matplotlib is not installed."""
    drawn = {}
    try:
        if history is not None:
            drawn["learning_curves"] = Drawn(_png(history.plot()), "the training, epoch by epoch")
        if evaluation.classes:
            figure = _confusion_matrix(evaluation)
            drawn["confusion_matrix"] = Drawn(_png(figure), "true against predicted classes")
        else:
            figure = _predictions(evaluation)
            drawn["predictions"] = Drawn(_png(figure), "predicted against true values")
    except ImportError:
        return {}
    return drawn


def _confusion_matrix(evaluation: Evaluation) -> Figure:
    from matplotlib.figure import Figure

    counts, classes = evaluation.confusion, evaluation.classes
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    size = 3.2 + 0.42 * min(len(classes), 24)
    figure = Figure(figsize=(size + 0.8, size), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= _MOST_CLASSES_COUNTED:
        for (true, predicted), count in np.ndenumerate(counts):
            colour = "white" if shares[true, predicted] > 0.55 else "black"
            axes.text(
                predicted, true, str(count), ha="center", va="center", color=colour, fontsize=8
            )
    _label_classes(axes, [_plain(label) for label in labels(classes)])
    axes.set(xlabel="predicted class", ylabel="true class", title=_title(evaluation))
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.85)
    return figure


def _label_classes(axes: Any, names: list[str]) -> None:
    """Name the classes on both axes, or some of them where they are many."""
    places = np.arange(0, len(names), -(-len(names) // 40))
    shown = [names[place] for place in places]
    upright = max(map(len, shown)) > 3
    axes.set_xticks(places, shown, rotation=90 if upright else 0)
    axes.set_yticks(places, shown)


def _predictions(evaluation: Evaluation) -> Figure:
    from matplotlib.figure import Figure

    rows = evaluation.rows
    true = evaluation.targets.reshape(rows, -1)
    predicted = evaluation.answers.reshape(rows, -1)
    every = -(-rows // _MOST_POINTS)
    names = [_plain(label) for label in labels(evaluation.names)[:_MOST_TARGETS]]
    across = min(len(names), _PANELS_A_ROW)
    down = -(-len(names) // across)
    size = 5.0 if len(names) == 1 else 3.4
    figure = Figure(figsize=(across * size, down * size), dpi=150, layout="constrained")
    for place, name in enumerate(names):
        axes = figure.add_subplot(down, across, place + 1)
        x, y = true[:, place], predicted[:, place]
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        axes.plot(ends, ends, color="0.6", linewidth=1)  # where they are equal
        axes.scatter(x[::every], y[::every], s=12, alpha=0.5, linewidths=0)
        axes.set_aspect("equal", adjustable="datalim")
        axes.locator_params(nbins=5)
        axes.set(xlabel=f"{name}, true", ylabel=f"{name}, predicted")
        axes.grid(alpha=0.3)
    figure.suptitle(_title(evaluation))
    return figure


def _title(evaluation: Evaluation) -> str:
    name = "accuracy" if evaluation.classes else "r2"
    rows = "1 row" if evaluation.rows == 1 else f"{evaluation.rows:,} rows"
    return f"{rows}: {'accuracy' if evaluation.classes else 'R²'} {evaluation.metrics[name]:.4f}"


def _plain(label: str) -> str:
    """Keep a label from being read as a formula."""
    return label.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    image = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as boxes
        figure.savefig(image, format="png")
    return image.getvalue()
