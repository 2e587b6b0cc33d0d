"""Which batch size? The noise of the gradient and the speed of a step, measured, put together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from descend import _core
from descend.iterables import listed
from descend.network import Network
from descend.stop import Stop
from descend.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from descend.sparse import SparseMatrix

__all__ = ["BatchSizeReport", "BatchSizeRow", "batch_size_report"]

# So many rows of the data are timed, and looked ahead on, at most: speed depends on no more.
_MOST_ROWS = 65536

# So many rows of those show the noise.
_NOISE_ROWS = 16384

# Until the trainer has tried how many threads its steps are worth.
_WARM_UP_SECONDS = 0.06

# Each size is timed so many times going up and again going down: load that comes and goes does not
# meet all turns of one size.
_REPEATS = 3

# Sizes that take at most so many times as long as the best are as good, for all that is known.
_AS_GOOD = 1.25

# Of the trainer that is timed: its parameters stay, whatever the batch size.
_TINY_RATE = 1e-30


@dataclass(frozen=True)
class BatchSizeRow:
    """What one batch size costs and gives.

    Parameters
    ----------
    batch_size : int
        Rows a step, N'.
    microseconds_per_step, samples_per_second : float
        Measured, the median of some runs; steps are those of whole epochs, where the last one takes
        the rows that are left.
    relative_standard_error : float
        Of a minibatch's gradient: its standard error over the gradient's norm, which is
        ``sqrt(noise_scale / batch_size)``.
    relative_steps : float
        Steps to a given progress, the fewest of all rows being 1: proportional to
        ``1 + noise_scale / batch_size``.
    relative_time : float
        Time to a given progress, the shortest of all rows being 1: proportional to
        ``(batch_size + noise_scale) / samples_per_second``.
    """

    batch_size: int
    microseconds_per_step: float
    samples_per_second: float
    relative_standard_error: float
    relative_steps: float
    relative_time: float


@dataclass(frozen=True, repr=False)
class BatchSizeReport:
    """What `batch_size_report` measured; ``print`` shows the table.

    Parameters
    ----------
    rows : list of BatchSizeRow
        From the smallest size to the largest.
    recommended_range : (int, int)
        The sizes around the shortest ``relative_time`` that take at most a quarter longer: among
        them other reasons may decide, such as the regularising effect of small ones.
    recommended : int
        The middle of that range, the larger of two: the noise scale may be off by a factor of two
        either way, which moves the range by one power of two.
    noise_scale : float
        The one used: the median of ``noise_scales``.
    noise_scales : list of float
        At the trainer's parameters, then after each epoch looked ahead.
    noise : GradientNoise
        At the trainer's parameters.
    """

    rows: list[BatchSizeRow]
    recommended_range: tuple[int, int]
    recommended: int
    noise_scale: float
    noise_scales: list[float]
    noise: _core.GradientNoise

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, lists and dicts; an infinite figure stays one."""
        low, high = self.noise.confidence_interval()
        return {
            "rows": [asdict(row) for row in self.rows],
            "recommended_range": list(self.recommended_range),
            "recommended": self.recommended,
            "noise_scale": self.noise_scale,
            "noise_scales": list(self.noise_scales),
            "noise": {
                "variance": self.noise.variance,
                "squared_norm": self.noise.squared_norm,
                "noise_scale": self.noise.noise_scale,
                "noise_scale_interval": [low, high],
                "rows": self.noise.rows,
            },
        }

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the standard error and the throughput by batch size, and the range recommended.

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
        """
        from descend.batch_size_figure import batch_size_figure

        figure = batch_size_figure(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def __str__(self) -> str:
        low, high = self.recommended_range
        header = ("batch size", "us/step", "samples/s", "rel. error", "rel. steps", "rel. time", "")
        lines = ["".join(f"{cell:>12}" for cell in header).rstrip()]
        for row in self.rows:
            mark = "  *" if low <= row.batch_size <= high else ""
            cells = (
                f"{row.batch_size}",
                f"{row.microseconds_per_step:.1f}",
                f"{row.samples_per_second:.0f}",
                f"{row.relative_standard_error:.3f}",
                f"{row.relative_steps:.2f}",
                f"{row.relative_time:.2f}",
            )
            lines.append("".join(f"{cell:>12}" for cell in cells) + mark)
        ahead = ", ".join(f"{scale:.0f}" for scale in self.noise_scales)
        between = f"{low} to {high}" if low < high else f"{low}"
        return "\n".join(
            [
                *lines,
                f"noise scale {self.noise_scale:.0f}: the median of {ahead}",
                f"recommended batch size {self.recommended}; * from the range {between}",
            ]
        )

    def __repr__(self) -> str:
        return (
            f"BatchSizeReport(recommended={self.recommended}, "
            f"recommended_range={self.recommended_range}, noise_scale={self.noise_scale:.6g}, "
            f"{len(self.rows)} sizes)"
        )


def batch_size_report(
    trainer: Trainer,
    X: ArrayLike | SparseMatrix,
    y: ArrayLike,
    sizes: Iterable[int] | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    epochs: int = 5,
    seconds: float = 3.0,
) -> BatchSizeReport:
    """Measure what each batch size would cost and give, and recommend one.

    The speed is that of the trainer's own steps, on copies of it and of its network: both stay as
    they are. The steps to a given progress are predicted from the noise scale of the gradient as
    ``1 + noise_scale / batch_size`` (McCandlish, Kaplan & Amodei 2018, arXiv:1812.06162), which
    assumes that the learning rate is tuned anew for each size, roughly in proportion to its root
    for Adam and to itself for SGD. The noise grows while the network learns, so that at its initial
    parameters it says little: the copy is trained for some epochs first, and the median counts.
    The noise is that of the trainer's loss, with its class weights and label smoothing.

    Parameters
    ----------
    trainer : Trainer
        With the network, the loss, the optimizer and the settings that will be used.
    X, y : array_like
        As for ``Trainer.fit``. From more than 65536 rows so many are drawn.
    sizes : iterable of int, optional
        The batch sizes to compare; by default the powers of two up to the number of rows.
    sample_weight : array_like of shape (n_rows,), optional
        As for ``Trainer.fit``.
    epochs : int
        How many to look ahead for the noise; 0 takes it at the trainer's parameters.
    seconds : float
        For the timing of all sizes together, beside a warm-up of each. A size whose step takes
        longer is timed on two steps. The epochs ahead end after five times as long.

    Returns
    -------
    BatchSizeReport

    Raises
    ------
    ValueError, TypeError
        If the data do not fit the trainer, have fewer than two rows, or a size is not from 1 to
        their number.
    FloatingPointError
        If a row's loss or gradient is not finite.

    Examples
    --------
    >>> from sklearn.datasets import load_digits  # doctest: +SKIP
    >>> X, y = load_digits(return_X_y=True)  # doctest: +SKIP
    >>> trainer = Trainer(Network.mlp([64, 100, 10]), loss="softmax_cross_entropy")
    >>> print(batch_size_report(trainer, X / 16, y))  # doctest: +SKIP
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(f"batch_size_report: trainer must be a descend.Trainer, got {trainer!r}.")
    _check_number("epochs", epochs, 0, Integral)
    _check_number("seconds", seconds, 0.0, Real)
    try:
        noise = _noise(trainer, X, y, sample_weight)
    except (TypeError, ValueError) as error:
        message = str(error).replace("gradient_noise:", "batch_size_report:", 1)
        raise type(error)(message) from None
    data = _some_rows(noise.rows, X, y, sample_weight)
    chosen = _sizes(sizes, len(data[1]))
    scales = [noise.noise_scale, *_noise_ahead(trainer, data, int(epochs), 5 * seconds)]
    timings = _timings(trainer, data, chosen, seconds)
    return _report(noise, scales, timings)


# X, y and sample_weight.
_Data = tuple[Any, Any, Any]


def _check_number(name: str, value: Any, lowest: float, kind: Any) -> None:
    expected = f"batch_size_report: {name} must be a number of at least {lowest}"
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{expected}, got {value!r}.")
    if not lowest <= value < float("inf"):
        raise ValueError(f"{expected}, got {value!r}.")


def _some_rows(rows: int, X: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> _Data:
    if rows <= _MOST_ROWS:
        return X, y, sample_weight
    drawn = np.sort(np.random.default_rng(0).choice(rows, _MOST_ROWS, replace=False))
    weights = None if sample_weight is None else np.asarray(sample_weight)[drawn]
    # A sparse matrix is no array, but has rows too.
    rows_of_X = X.tocsr() if hasattr(X, "tocsr") else np.asarray(X)
    return rows_of_X[drawn], np.asarray(y)[drawn], weights


def _sizes(sizes: Iterable[int] | None, rows: int) -> list[int]:
    if sizes is None:
        return [2**power for power in range(rows.bit_length())]
    chosen: list[int] = listed("batch_size_report", "sizes", "an iterable of whole numbers", sizes)
    for size in chosen:
        if not isinstance(size, Integral) or isinstance(size, bool):
            raise TypeError(f"batch_size_report: sizes must be whole numbers, got {size!r}.")
        if not 1 <= size <= rows:
            raise ValueError(
                f"batch_size_report: sizes must be from 1 to {rows}, the rows measured, got {size}."
            )
    if not chosen:
        raise ValueError("batch_size_report: sizes is empty, expected at least one batch size.")
    return sorted({int(size) for size in chosen})


def _copy(trainer: Trainer, batch_size: int) -> Trainer:
    network = Network.__new__(Network)
    _core.Network.__init__(network, trainer.network)
    copy = Trainer.__new__(Trainer)
    _core.Trainer.__init__(copy, network, trainer, batch_size)
    copy._network = network
    return copy


def _noise(
    trainer: Trainer,
    X: ArrayLike | SparseMatrix,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    order: ArrayLike | None = None,
) -> _core.GradientNoise:
    """Measure the noise of the loss that the trainer minimises."""
    return _core.gradient_noise(
        trainer.network,
        X,
        y,
        trainer.loss,
        sample_weight,
        order,
        class_weight=trainer.class_weight,
        label_smoothing=trainer.label_smoothing,
    )


def _noise_ahead(trainer: Trainer, data: _Data, epochs: int, seconds: float) -> Iterator[float]:
    """Yield the noise scale after each epoch, up to the one in which the time is over."""
    X, y, weights = data
    copy = _copy(trainer, min(trainer.batch_size or 64, len(y)))
    copy.optimizer_state = trainer.optimizer_state
    order = None
    if len(y) > _NOISE_ROWS:
        order = np.random.default_rng(1).choice(len(y), _NOISE_ROWS, replace=False)
    end = time.monotonic() + seconds
    for _ in range(epochs):
        left = end - time.monotonic()
        if left <= 0:
            return
        try:
            copy.fit(X, y, sample_weight=weights, stop=Stop(seconds=left))
            noise = _noise(copy, X, y, weights, order)
        except FloatingPointError:  # the run that is asked about diverges, with its learning rate
            return
        yield noise.noise_scale


@dataclass(frozen=True)
class _Timing:
    batch_size: int
    seconds_per_step: float
    seconds_per_row: float


def _timings(trainer: Trainer, data: _Data, sizes: list[int], seconds: float) -> list[_Timing]:
    """Time every size going up and going down again; the median is what training will meet."""
    times: dict[int, list[float]] = {size: [] for size in sizes}
    share = seconds / (2 * len(sizes))
    for size in (*sizes, *reversed(sizes)):
        times[size] += _time(trainer, data, size, share)
    rows = len(data[1])
    timings = []
    for size, timed in times.items():
        seconds_per_row = median(timed)
        rows_per_step = rows / _steps_an_epoch(rows, size)
        timings.append(_Timing(size, seconds_per_row * rows_per_step, seconds_per_row))
    return timings


def _steps_an_epoch(rows: int, size: int) -> int:
    """Return how many steps an epoch has: its last takes the rows that are left."""
    return -(-rows // size)


def _time(trainer: Trainer, data: _Data, size: int, seconds: float) -> list[float]:
    """Return the seconds a row, measured some times in ``seconds`` together."""
    X, y, weights = data
    copy = _copy(trainer, size)
    copy.learning_rate = _TINY_RATE

    def run(piece: float) -> tuple[float, int]:
        stop = Stop(seconds=max(piece, 1e-9))
        history = copy.fit(X, y, epochs=2**62, sample_weight=weights, stop=stop)
        whole, rest = divmod(history.steps, _steps_an_epoch(len(y), size))
        return history.seconds, whole * len(y) + rest * size

    run(_WARM_UP_SECONDS)
    times: list[float] = []
    left = seconds
    while not times or (len(times) < _REPEATS and left > 0):
        taken, rows = run(seconds / _REPEATS)
        times.append(taken / rows)
        left -= taken
    return times


def _report(
    noise: _core.GradientNoise, scales: list[float], timings: list[_Timing]
) -> BatchSizeReport:
    scale = median(scales)
    if np.isfinite(scale):
        steps = [1.0 + scale / timing.batch_size for timing in timings]
    else:  # where the noise is all there is, progress is in proportion to the rows
        steps = [1.0 / timing.batch_size for timing in timings]
    times = [
        count * timing.batch_size * timing.seconds_per_row
        for count, timing in zip(steps, timings, strict=True)
    ]
    rows = [
        BatchSizeRow(
            batch_size=timing.batch_size,
            microseconds_per_step=1e6 * timing.seconds_per_step,
            samples_per_second=1.0 / timing.seconds_per_row,
            relative_standard_error=(scale / timing.batch_size) ** 0.5,
            relative_steps=count / min(steps),
            relative_time=taken / min(times),
        )
        for timing, count, taken in zip(timings, steps, times, strict=True)
    ]
    best = times.index(min(times))
    first = last = best
    while first > 0 and rows[first - 1].relative_time <= _AS_GOOD:
        first -= 1
    while last + 1 < len(rows) and rows[last + 1].relative_time <= _AS_GOOD:
        last += 1
    return BatchSizeReport(
        rows=rows,
        recommended_range=(rows[first].batch_size, rows[last].batch_size),
        recommended=rows[(first + last + 1) // 2].batch_size,
        noise_scale=scale,
        noise_scales=scales,
        noise=noise,
    )
