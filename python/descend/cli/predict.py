"""``descend predict``: the answers of a model for the rows of a file."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from descend.cli.dataset import Matrix, read
from descend.cli.errors import DataError, UsageError, reason
from descend.cli.model import Model
from descend.cli.table_reader import CSV_ENDINGS, PARQUET_ENDINGS, is_typed
from descend.cli.words import listed, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from descend.cli.table import Table

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Run the command; notes go to standard error, since the answers may go to the output."""
    _check_ending(Path(arguments.output))
    model = Model.load(arguments.model)
    data = read(arguments.data)
    kept = _kept(data, arguments.keep)
    outputs, encoded = model.outputs(data)
    ignored = [repr(name) for name in model.ignored(data) if name not in kept]
    if ignored:
        print(f"note: ignored: {one_line(listed(ignored))}", file=sys.stderr)
    for note in encoded.notes():
        print(f"note: {one_line(note)}", file=sys.stderr)
    columns = answer_columns(model, outputs)
    clash = [name for name in kept if name in columns]
    if clash:
        raise UsageError(f"--keep {clash[0]}: the predictions have a column of this name.")
    _write(arguments.output, {**kept, **columns})


def _check_ending(output: Path) -> None:
    endings = (*CSV_ENDINGS, *PARQUET_ENDINGS)
    if output.suffix and output.suffix.lower() not in endings:
        raise UsageError(f"--output {output}: give a file that ends in {', '.join(endings)}.")


def answer_columns(model: Model, outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Give the answers by the name of their column, for classes the probabilities too."""
    answers = model.answers(outputs)
    if not model.task.classes:
        names = ["prediction"]
        if len(model.task.targets) > 1:
            names = [f"prediction_{name}" for name in model.task.targets]
        return dict(zip(names, answers.T, strict=True))
    probabilities = model.probabilities(outputs)
    named = {
        f"probability_{name}": probabilities[:, place]
        for place, name in enumerate(model.task.classes)
    }
    return {"prediction": answers, **named}


def _kept(data: Matrix | Table, names: Sequence[str]) -> dict[str, Any]:
    if names and isinstance(data, Matrix):
        raise UsageError(f"--keep names a column of a table; {data.source} is none.")
    return {name: data.column(name).cells for name in names}  # type: ignore[union-attr]


def _write(output: str, columns: dict[str, Any]) -> None:
    if output == "-":
        _write_csv(sys.stdout, columns)
        return
    path = Path(os.path.realpath(output))  # a symbolic link stays
    # A file is there whole or not at all; a device or a pipe is written into.
    is_special = path.exists() and not path.is_file()
    unfinished = path if is_special else path.with_name(f".{path.name}.unfinished")
    try:
        if is_typed(path):
            _write_parquet(unfinished, columns)
        else:
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            with unfinished.open("w", newline="", encoding="utf-8") as file:
                _write_csv(file, columns, separator)
        if not is_special:
            os.replace(unfinished, path)
    except OSError as error:
        raise DataError(f"{output}: {reason(error)}.") from error
    finally:
        if not is_special:
            with suppress(OSError):
                unfinished.unlink()


def _write_csv(file: TextIO, columns: dict[str, Any], separator: str = ",") -> None:
    rows = csv.writer(file, delimiter=separator, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(zip(*(_python_values(column) for column in columns.values()), strict=True))


def _python_values(column: Any) -> list[Any]:
    values = column.tolist()
    return ["" if value is None else value for value in values]


def _write_parquet(path: Path, columns: dict[str, Any]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UsageError(
            "Parquet files are written by pyarrow, which is not installed; pip install "
            '"descend[table]".'
        ) from error
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
