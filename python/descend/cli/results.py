"""The files that ``descend train`` writes.

model.safetensors     the network and the preparation of its inputs
history.csv           a line for each epoch
learning_curves.png   losses, metrics and the learning rate by epoch
confusion_matrix.png  for classes; for numbers predictions.png, predicted against true
report.html           all of it in one file, where asked for
"""

from __future__ import annotations

import csv
import errno
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import descend
from descend.cli import figures, report
from descend.cli.evaluation import Evaluation
from descend.cli.model import Model
from descend.cli.prepared import Prepared
from descend.cli.words import say

__all__ = ["Places", "places", "report_file", "write", "write_figures", "write_report"]


@dataclass(frozen=True)
class Places:
    """The folder of the results, and the file of the report where one was asked for."""

    folder: Path
    report: Path | None


def places(output: Path | None, report_to: Path | None, name: str) -> Places:
    """Make the folders, so that nothing is trained for results that cannot be written.

    Without ``output`` all goes into the folder of the report, or into one named after the data.
    """
    page = report_file(report_to) if report_to else None
    folder = output or (report_to if page and page != report_to else None)
    return Places(writable(folder or default_folder(name)), page)


def default_folder(name: str) -> Path:
    """Give the folder of the results of the data set of this name, where none was chosen."""
    return Path(f"{name}-model")


def report_file(path: Path) -> Path:
    """Give the file of a report, for which ``path`` may be a folder, and make its folder."""
    is_file = path.suffix.lower() in (".html", ".htm")
    return writable(path.parent) / path.name if is_file else writable(path) / "report.html"


def writable(folder: Path) -> Path:
    """Make a folder where there is none, and see that files can be made in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return folder


def write(
    where: Places,
    model: Model,
    data: Prepared,
    history: descend.History,
    evaluation: Evaluation,
    settings: dict[str, str],
) -> None:
    """Write all files, saying which."""
    file = model.save(where.folder)
    say("wrote", f"{file}: the network, and how the data are prepared for it")
    _write_history(where.folder / "history.csv", history)
    drawn = figures.draw(history, evaluation)
    write_figures(where.folder, drawn)
    if where.report:
        write_report(
            where.report,
            model,
            file,
            evaluation,
            drawn,
            title=f"{data.name}: a network for {', '.join(data.task.targets)}",
            rows=f"the {data.split.held_out()[0]} rows",
            settings=settings,
            data=_summary(data),
        )
    say("use it", f"descend predict {shlex.quote(str(where.folder))} DATA")


def write_figures(folder: Path, drawn: dict[str, figures.Drawn]) -> None:
    """Write each figure as a PNG file, saying which."""
    for name, figure in drawn.items():
        path = folder / f"{name}.png"
        path.write_bytes(figure.png)
        say("wrote", f"{path}: {figure.caption}")
    if not drawn:
        say("no plot", 'matplotlib is not installed; pip install "descend[plot]"')


def write_report(
    path: Path,
    model: Model,
    file: Path,
    evaluation: Evaluation,
    drawn: dict[str, figures.Drawn],
    *,
    title: str,
    rows: str,
    settings: dict[str, str] | None = None,
    data: dict[str, str] | None = None,
) -> None:
    """Write the page of a model that stands in ``file``, saying where."""
    page = report.page(
        model,
        file,
        evaluation,
        drawn,
        title=title,
        rows=rows,
        settings=settings or {},
        data=data or {},
    )
    path.write_text(page, encoding="utf-8")
    say("wrote", f"{path}: all of this in one page")


def _summary(data: Prepared) -> dict[str, str]:
    """Say of what the model was trained, for the report."""
    split = data.split
    facts = {
        "file": data.source,
        "rows": f"{len(data.target)}: {len(split.train)} to train, {len(split.validation)} to "
        f"validate, {len(split.test)} to test",
        "inputs of the network": str(data.inputs.shape[1]),
        "target": f"{', '.join(data.task.targets)}, {data.task}",
        "notes": "; ".join(data.notes),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _write_history(path: Path, history: descend.History) -> None:
    columns = {"loss": history.loss, "validation_loss": history.validation_loss}
    for name, values in history.metrics.items():
        columns[name] = values
        columns[f"validation_{name}"] = history.validation_metrics.get(name, [])
    columns["learning_rate"] = history.learning_rate
    columns = {name: values for name, values in columns.items() if values}
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["epoch", *columns])
        for epoch, row in enumerate(zip(*columns.values(), strict=True), 1):
            rows.writerow([epoch, *row])
    say("wrote", f"{path}: {', '.join(columns)}, by epoch")
