"""``descend batch-size``: the table and the figure of a report."""

import sys
from pathlib import Path

import pytest

import descend as ds
from command_line import fails, iris_rows, write_csv

QUICK = "--seconds", 0.02, "--layers", "8"


def recommended(out):
    return int(out.partition("recommended batch size ")[2].partition(";")[0])


def test_digits_give_a_table_and_a_figure(descend):
    code, out, _ = descend("batch-size", "digits", *QUICK)
    assert code == 0
    lines = out.splitlines()
    header = next(place for place, line in enumerate(lines) if "us/step" in line)
    sizes = [int(line.split()[0]) for line in lines[header + 1 : header + 12]]
    assert sizes == [2**power for power in range(11)]  # 1258 rows to train on
    assert recommended(out) in sizes
    assert "figure    digits-batch-size.png" in lines[-1]
    assert Path("digits-batch-size.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_and_the_place_of_the_figure_can_be_chosen(descend):
    write_csv("iris.csv", *iris_rows())
    options = "--target", "species", "--figure", "sizes.svg", "--optimizer", "sgd"
    code, out, _ = descend("batch-size", "iris.csv", *options, *QUICK)
    assert code == 0
    assert "SGD(" in out
    assert "<svg" in Path("sizes.svg").read_text()
    assert sorted(path.name for path in Path().iterdir()) == ["iris.csv", "sizes.svg"]


def test_the_trainer_that_is_asked_about_has_all_options(descend, monkeypatch):
    trainers, report = [], ds.batch_size_report
    monkeypatch.setattr(
        ds, "batch_size_report", lambda t, *a, **k: trainers.append(t) or report(t, *a, **k)
    )
    options = "--class-weight", "balanced", "--label-smoothing", 0.1, "--clip-norm", 2
    assert descend("batch-size", "digits", *QUICK, *options)[0] == 0
    (trainer,) = trainers
    assert (trainer.class_weight, trainer.label_smoothing) == ("balanced", 0.1)
    assert trainer.clip_norm == 2


def test_without_matplotlib_the_table_is_printed(descend, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, _ = descend("batch-size", "digits", *QUICK)
    assert code == 0
    assert recommended(out) > 0
    assert "no figure: " in out
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (("nothing.csv", "--target", "y"), 1, "nothing.csv"),
        (("digits", "--seconds", "-1"), 2, "'-1' is not a number of seconds"),
        (("digits", "--seconds", "nan"), 2, "'nan' is not a number of seconds"),
        (("digits", "--batch-size", "0"), 2, "'0' is not a whole number"),
        (("digits", *QUICK, "--figure", "sizes.nothing"), 2, "sizes.nothing"),
        (("digits", *QUICK, "--threads", "-1"), 2, "threads"),
    ],
)
def test_errors_say_what_is_wrong(descend, options, exit_code, message):
    fails(descend("batch-size", *options), exit_code, message)
