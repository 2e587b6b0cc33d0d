"""``descend evaluate``: how good a model is on rows whose target is known."""

from __future__ import annotations

import argparse

from descend.cli import figures, results
from descend.cli.dataset import read
from descend.cli.errors import DataError
from descend.cli.evaluation import evaluate
from descend.cli.model import Model
from descend.cli.task import labels, read_target
from descend.cli.words import say

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Run the command, saying each figure on a line of standard output."""
    model = Model.load(arguments.model)
    data = read(arguments.data)
    task = model.task
    as_text = bool(task.classes) and not task.numbered
    target = read_target(data, task.targets, as_text=as_text)
    outputs, encoded = model.outputs(data)
    try:
        target = labels(target, task) if task.classes else target
    except DataError as error:
        raise DataError(f"{arguments.data}: {error}") from error
    page = results.report_file(arguments.report) if arguments.report else None

    say("data", f"{arguments.data}: {data.rows} rows")
    for note in encoded.notes():
        say("note", note)
    evaluation = evaluate(model, outputs, target)
    width = max(map(len, evaluation.metrics))
    for name, value in evaluation.metrics.items():
        print(f"{name:<{width}} {value:.6g}")
    if page:
        drawn = figures.draw(None, evaluation)
        if page != arguments.report:
            results.write_figures(page.parent, drawn)
        results.write_report(
            page,
            model,
            arguments.model,
            evaluation,
            drawn,
            title=f"Evaluation on {arguments.data}",
            rows=f"{data.rows} rows of {arguments.data}",
        )
