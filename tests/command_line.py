"""The command line as tests use it: tables to write, messages to expect."""

import csv
from pathlib import Path

from sklearn.datasets import load_iris


def write_csv(path, header, rows, **form):
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, **form).writerows([header, *rows])


def read_csv(text):
    """Give the rows of a CSV text as dictionaries."""
    return list(csv.DictReader(text.splitlines()))


def iris_rows():
    iris = load_iris()
    species = iris.target_names[iris.target]
    return [*iris.feature_names, "species"], [
        [*x, name] for x, name in zip(iris.data, species, strict=True)
    ]


def fails(result, code, *parts):
    """Assert an exit code and one line of error output that holds all parts."""
    got, _, err = result
    assert got == code, err
    message = err.strip().splitlines()[-1]
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in {message!r}"
    assert "Traceback" not in err
