"""A report of a model as one HTML page that needs no network: images stand in it as data."""

from __future__ import annotations

import base64
import math
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template

import descend
from descend.cli.evaluation import NUMBER_METRICS, Evaluation
from descend.cli.figures import Drawn
from descend.cli.matrix_preparation import MatrixPreparation
from descend.cli.model import Model

__all__ = ["page"]

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --text: #1c2024; --muted: #5c6670; --line: #d8dde2; --back: #ffffff; --box: #f5f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ec; --muted: #9aa4ae; --line: #3a424a; --back: #15191d; --box: #1f252b; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; color: var(--text); background: var(--back);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid var(--line); }
p { margin: 0.5rem 0; }
.muted { color: var(--muted); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
.figures figure { flex: 1 1 20rem; margin: 0; min-width: 0; }
.figures img { width: 100%; height: auto; background: #ffffff; border-radius: 6px; }
figcaption { color: var(--muted); font-size: 0.9rem; }
.numbers { display: flex; flex-wrap: wrap; gap: 0.75rem; padding: 0; list-style: none; }
.numbers li { background: var(--box); border-radius: 6px; padding: 0.5rem 0.9rem; }
.numbers b { display: block; font-size: 1.3rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.95rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem 0.3rem 0;
  border-bottom: 1px solid var(--line); }
td:first-child { min-width: 6rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--box); border-radius: 6px; padding: 0.75rem; overflow-x: auto; }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")


def page(
    model: Model,
    file: Path,
    evaluation: Evaluation,
    drawn: dict[str, Drawn],
    *,
    title: str,
    rows: str,
    settings: dict[str, str],
    data: dict[str, str],
) -> str:
    """Write the page of a model that stands in ``file``.

    ``rows`` says on which rows the evaluation was made; ``settings`` and ``data`` are tables of how
    it was trained and of what. An empty one is left out.
    """
    parts = [
        f'<p class="muted">{escape(_task(model))}</p>',
        _heading(f"Result on {rows}"),
        _metrics(model, evaluation),
        _figures(drawn),
        _classes(evaluation),
        _targets(evaluation),
        _facts("Data", data),
        _columns(model),
        _facts("Training", settings),
        _heading("Use it"),
        f"<pre>{escape(_use(model, file))}</pre>",
        _facts("Made with", _build()),
    ]
    return _PAGE.substitute(title=escape(title), body="\n".join(part for part in parts if part))


def _task(model: Model) -> str:
    targets = ", ".join(model.task.targets)
    return f"A network that predicts {targets}: {model.task}."


def _use(model: Model, file: Path) -> str:
    ending = "npz" if isinstance(model.preparation, MatrixPreparation) else "csv"
    return (
        f"$ descend predict {shlex.quote(str(file))} new_data.{ending} -o predictions.csv\n\n"
        ">>> from descend.cli import Model\n"
        f">>> model = Model.load({str(file)!r})\n"
        f'>>> model.predict("new_data.{ending}")\n'
        ">>> model.network.summary()"
    )


def _build() -> dict[str, str]:
    facts = {name: fact for name, fact in descend.build_info().items() if name != "available_isas"}
    return {
        "descend" if name == "version" else name: str(fact)
        .replace("True", "yes")
        .replace("False", "no")
        for name, fact in facts.items()
    }


def _heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _metrics(model: Model, evaluation: Evaluation) -> str:
    items = [
        f"<li>{escape(_metric_name(name))} <b>{_number(value)}</b></li>"
        for name, value in evaluation.metrics.items()
        if name != "loss"
    ]
    loss = "loss (standardised)" if model.target_scaling else "loss"
    items.insert(0, f"<li>{loss} <b>{_number(evaluation.metrics['loss'])}</b></li>")
    return f'<ul class="numbers">{"".join(items)}</ul>'


def _metric_name(name: str) -> str:
    return "R²" if name == "r2" else name.replace("_", " ")


def _figures(drawn: dict[str, Drawn]) -> str:
    if not drawn:
        return ""
    figures = []
    for figure in drawn.values():
        data = base64.b64encode(figure.png).decode()
        caption = escape(figure.caption)
        image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
        figures.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    return f'<div class="figures">{"".join(figures)}</div>'


def _classes(evaluation: Evaluation) -> str:
    if not evaluation.classes:
        return ""
    rows = [
        (score.name, _number(score.precision), _number(score.recall), str(score.rows))
        for score in evaluation.class_scores()
    ]
    table = _table(("class", "precision", "recall", "rows"), rows)
    return _heading("Classes") + table


def _targets(evaluation: Evaluation) -> str:
    rows = [(score.name, *map(_number, score.metrics)) for score in evaluation.target_scores()]
    header = ("target", *map(_metric_name, NUMBER_METRICS))
    return _heading("Targets") + _table(header, rows) if rows else ""


def _columns(model: Model) -> str:
    preparation = model.preparation
    if isinstance(preparation, MatrixPreparation):
        return ""
    rows = [(column.name, str(column)) for column in preparation.columns]
    return _heading("Columns") + _table(("column", "how it is prepared"), rows, numbers=False)


def _facts(title: str, facts: dict[str, str]) -> str:
    return _heading(title) + _table((), list(facts.items()), numbers=False) if facts else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """Make a table whose first column is text, and whose others are ``numbers`` or text too."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        kinds = ["", *[' class="number"' if numbers else ""] * (len(texts) - 1)]
        pairs = zip(kinds, texts, strict=True)
        return "".join(f"<{tag}{kind}>{escape(text)}</{tag}>" for kind, text in pairs)

    head = f"<thead><tr>{cells('th', header)}</tr></thead>" if header else ""
    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="table"><table>{head}<tbody>\n{body}\n</tbody></table></div>'


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4g}"
