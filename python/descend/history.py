"""What a training run gave."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from descend import html

if TYPE_CHECKING:
    import pandas
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
    metrics, validation_metrics : dict of str to list of float
        Each metric that was asked for, by epoch: of the training rows, from the outputs that their
        loss was computed from, and of the validation rows. An interrupted epoch has none, and no
        validation loss.
    learning_rate : list of float
        Of each epoch's last step.
    noise_scale : list of float
        Of a trainer with ``track_gradient_noise``: the noise scale of each epoch, tr Sigma over
        |G|^2, both summed over every eighth step from the first, or over at least 8 where an epoch
        has fewer than 64, each from the step's own minibatch (McCandlish et al. 2018, appendix
        A.1). Dropout adds to it, a penalty does not. It is rough, and infinite where the steps show
        no gradient: take the median of some epochs.
    """

    loss: list[float]
    validation_loss: list[float]
    steps: int
    seconds: float
    stop_reason: str
    metrics: dict[str, list[float]] = field(default_factory=dict)
    validation_metrics: dict[str, list[float]] = field(default_factory=dict)
    learning_rate: list[float] = field(default_factory=list)
    noise_scale: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Copy all fields into a dict of lists and numbers, such as JSON can hold.

        ``History(**history.to_dict())`` equals ``history``.
        """
        return asdict(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a data frame of one row an epoch.

        Its index, ``epoch``, begins at 1; its columns are ``loss``, ``validation_loss``, each
        metric, the same with ``validation_`` before its name, ``learning_rate`` and
        ``noise_scale``, as far as they were recorded. What an interrupted epoch has not is NaN.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "History.to_pandas: pandas is not installed; get it with pip install pandas, or "
                "take History.to_dict."
            ) from error
        index = pandas.RangeIndex(1, len(self.loss) + 1, name="epoch")
        columns = {
            name: pandas.Series(values, index[: len(values)], dtype="float64")
            for name, values in self._columns().items()
        }
        return pandas.DataFrame(columns, index)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw training and validation loss by epoch, and below them the metrics.

        The lowest validation loss is marked. A learning rate that changes has a panel of its own.

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

    def _columns(self) -> dict[str, list[float]]:
        """Return what was recorded by epoch, training beside validation."""
        columns = {"loss": self.loss}
        if self.validation_loss:
            columns["validation_loss"] = self.validation_loss
        for name, values in self.metrics.items():
            columns[name] = values
            if name in self.validation_metrics:
                columns[f"validation_{name}"] = self.validation_metrics[name]
        if self.learning_rate:
            columns["learning_rate"] = self.learning_rate
        if self.noise_scale:
            columns["noise_scale"] = self.noise_scale
        return columns

    def _title(self) -> str:
        epochs = len(self.loss)
        return (
            f"History of {epochs} epoch{'' if epochs == 1 else 's'}, {self.steps} "
            f"step{'' if self.steps == 1 else 's'}, {self.seconds:.3g} s, "
            f"stop_reason={self.stop_reason!r}"
        )

    def _rows(self) -> list[list[str]]:
        """Return the first, the best and the last epoch, the names of the columns above them."""
        columns = self._columns()
        if len(set(self.learning_rate)) == 1:
            del columns["learning_rate"]
        judged = self.validation_loss or self.loss
        best = judged.index(min(judged)) if judged else 0
        rows = [["epoch", *columns, ""]]
        for epoch in sorted({0, best, len(self.loss) - 1} if self.loss else ()):
            cells = [f"{v[epoch]:.6g}" if epoch < len(v) else "" for v in columns.values()]
            rows.append([str(epoch + 1), *cells, "best" if epoch == best else ""])
        return rows

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows[: len(rows) if self.loss else 0]
        ]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        header, *rows = self._rows()
        return html.table(self._title(), header if rows else [], rows)
