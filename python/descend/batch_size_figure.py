"""The figure of a batch size report. Needs matplotlib, the extra ``descend[plot]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from descend.batch_size import BatchSizeReport

__all__ = ["batch_size_figure"]


def batch_size_figure(report: BatchSizeReport) -> Figure:
    """Draw the standard error and the throughput by batch size, on a figure without pyplot."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import EngFormatter, ScalarFormatter
    except ImportError as error:
        raise ImportError(
            "BatchSizeReport.plot: matplotlib is not installed; "
            'get it with pip install "descend[plot]".'
        ) from error
    sizes = [row.batch_size for row in report.rows]
    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    errors = figure.add_subplot()
    speeds = errors.twinx()
    low, high = report.recommended_range
    # Half a step of the axis on both sides, so that one size is a band too.
    band = errors.axvspan(
        low / 2**0.5, high * 2**0.5, color="tab:green", alpha=0.15, label="recommended range"
    )
    lines: list[Artist] = [band]
    if report.noise_scale < float("inf"):
        values = [row.relative_standard_error for row in report.rows]
        lines += errors.plot(sizes, values, "o-", color="tab:blue", label="standard error")
        errors.set_yscale("log")
    throughput = [row.samples_per_second for row in report.rows]
    lines += speeds.plot(sizes, throughput, "s-", color="tab:orange", label="throughput")
    lines.append(
        errors.axvline(report.recommended, color="tab:green", linestyle="--", label="recommended")
    )
    errors.set_xscale("log", base=2)
    errors.xaxis.set_major_formatter(ScalarFormatter())  # 64, not a power of 2
    errors.set(
        xlabel="batch size",
        ylabel="standard error of the gradient / its norm",
        title=f"batch size {report.recommended}, noise scale {report.noise_scale:.3g}",
    )
    speeds.set_ylabel("rows a second")
    speeds.set_ylim(bottom=0)
    speeds.yaxis.set_major_formatter(EngFormatter(sep=""))  # 2M
    errors.grid(alpha=0.3)
    errors.legend(handles=lines, frameon=False, loc="center left")
    return figure
