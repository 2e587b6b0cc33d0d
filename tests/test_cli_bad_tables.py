"""Tables of the command line: what of them is refused, in which words, and what is noted."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from command_line import fails, write_csv
from descend.cli.errors import CommandError
from descend.cli.model import Model
from descend.cli.prepared import prepare

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


ROWS = range(40)
REFUSED = {
    "dates": ([f"2024-01-{row % 28 + 1:02}" for row in ROWS], ["'a'", "dates", "--drop 'a'"]),
    "names": (
        [f"name {row}" for row in ROWS],
        ["'a'", "28 different texts", "--drop", "--max-levels"],
    ),
}


@pytest.mark.parametrize(("cells", "parts"), REFUSED.values(), ids=REFUSED)
def test_a_column_that_cannot_be_learnt_from_is_named_with_the_way_out(descend, cells, parts):
    rows = [(cell, row % 5, row % 2) for row, cell in enumerate(cells)]
    write_csv("data.csv", ["a", "b", "y"], rows)
    options = ["--target", "y", "--epochs", 1, "--layers", "2"]
    fails(descend("train", "data.csv", *options), 1, "data.csv", *parts)
    assert descend("train", "data.csv", *options, "--drop", "a")[0] == 0
    if "--max-levels" in parts:
        code, out, _ = descend("train", "data.csv", *options, "--max-levels", 28)
        assert code == 0
        assert "rows hold a value that no training row has" in out


@pytest.mark.parametrize("kind", ["other", "date"])
def test_a_parquet_column_of_another_type_is_refused_by_name(descend, kind):
    cells = pa.array([[row] for row in ROWS]) if kind == "other" else pa.array(ROWS, pa.int32())
    cells = cells if kind == "other" else cells.cast(pa.date32())
    table = {"when": cells, "x": pa.array(ROWS), "y": pa.array([row % 2 for row in ROWS])}
    pq.write_table(pa.table(table), "data.parquet")
    fails(descend("train", "data.parquet", "--target", "y"), 1, "'when'", "--drop")
    fails(descend("train", "data.parquet", "--target", "when"), 1, "'when'", "target")


TARGETS = {
    "text": (["no", "yes"], "auto", "2 classes: no, yes"),
    "booleans": (["True", "False"], "auto", "2 classes: false, true"),
    "whole numbers": (["1000001", "1000002"], "auto", "2 classes: 1000001, 1000002"),
    "fractions": (["0.5", "0.25"], "auto", "real numbers"),
    "forced numbers": (["0", "1"], "numbers", "real numbers"),
    "forced classes": (["0.5", "0.25"], "classes", "2 classes: 0.25, 0.5"),
}


@pytest.mark.parametrize(("cells", "task", "said"), TARGETS.values(), ids=TARGETS)
def test_the_target_of_a_table_is_classes_or_numbers(descend, cells, task, said):
    write_csv("data.csv", ["x", "y"], [(row, cells[row % 2]) for row in ROWS])
    options = ["--target", "y", "--task", task, "--epochs", 1, "--layers", "2"]
    code, out, _ = descend("train", "data.csv", *options)
    assert code == 0
    assert said in out
    assert descend("evaluate", "data-model", "data.csv")[0] == 0


USAGE = {
    "task and loss": (["--task", "classes", "--loss", "huber"], ["--loss huber", "--task classes"]),
    "loss and task": (
        ["--task", "numbers", "--loss", "softmax_cross_entropy"],
        ["--loss softmax", "--task numbers"],
    ),
    "dropped target": (["--drop", "y"], ["--target", "--drop"]),
    "target twice": (["--target", "y"], ["--target"]),
    "several classes": (["--target", "x", "--task", "classes"], ["one --target"]),
    "patience alone": (["--validation", "0", "--patience", "3"], ["--patience", "--validation"]),
    "levels": (["--max-levels", "0"], ["--max-levels"]),
}


@pytest.mark.parametrize(("options", "parts"), USAGE.values(), ids=USAGE)
def test_options_that_contradict_each_other_are_exit_code_2(descend, options, parts):
    write_csv("data.csv", ["x", "z", "y"], [(row, row % 3, row % 2) for row in ROWS])
    fails(descend("train", "data.csv", "--target", "y", *options), 2, *parts)


DATA = {
    "negative counts": (["--target", "z", "--loss", "poisson"], ["poisson", "-1"]),
    "text for numbers": (["--target", "t", "--task", "numbers"], ["text", "such as u"]),
    "text among targets": (["--target", "z", "--target", "t"], ["'t'", "text"]),
    "dropped and gone": (["--target", "z", "--drop", "q"], ["'q'", "x, z, t"]),
    "no inputs left": (["--target", "z", "--drop", "x", "--drop", "t"], ["no columns to learn"]),
}


@pytest.mark.parametrize(("options", "parts"), DATA.values(), ids=DATA)
def test_data_that_do_not_fit_the_options_are_exit_code_1(descend, options, parts):
    write_csv("data.csv", ["x", "z", "t"], [(row, row % 3 - 1, "uv"[row % 2]) for row in ROWS])
    fails(descend("train", "data.csv", *options), 1, "data.csv", *parts)


def test_two_columns_of_one_name_are_refused(descend):
    Path("data.csv").write_text("a,b,a,label\n1,2,3,x\n")
    fails(descend("train", "data.csv", "--target", "label"), 1, "2 columns", "'a'")


def test_several_targets_are_learnt_together(descend):
    rows = [(row, row % 5, 2.0 * row, row % 5 - 0.5 * row) for row in range(200)]
    write_csv("data.csv", ["a", "b", "u", "v"], rows)
    options = ["--target", "u", "--target", "v", "--layers", "", "--learning-rate", 0.05]
    code, out, _ = descend("train", "data.csv", *options)
    assert code == 0
    assert float(out.partition("R^2 ")[2].split()[0]) > 0.999
    predicted = Model.load("data-model").predict("data.csv")
    np.testing.assert_allclose(predicted, np.array(rows)[:, 2:], atol=0.5)


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_without_pyarrow_the_extra_is_named(descend, monkeypatch, name):
    Path(name).write_text("a,y\n1,2\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    fails(descend("train", name, "--target", "y"), 2, "pyarrow", 'pip install "descend[table]"')


@pytest.mark.parametrize("content", [b"", b"PAR1 cut", b"a,b\n1,2\n" * 99])
def test_a_parquet_file_of_rubbish_is_an_error(descend, content):
    Path("data.parquet").write_bytes(content)
    fails(descend("train", "data.parquet", "--target", "y"), 1, "data.parquet", "Parquet")


CSV_PIECES = [
    "a",
    "y",
    "1",
    "2.5",
    "-3",
    "x",
    ",",
    ",",
    ",",
    "\n",
    "\n",
    "\r\n",
    ";",
    "\t",
    '"',
    " ",
]
CSV_PIECES += ["nan", "inf", "true", "2024-01-01", "\0", "ä", "\ufeff", "'", "=", "1e999"]


def check_read_or_refused(path, targets, **options):
    said = f"{path}: read"
    try:
        data = prepare(str(path), targets, **options)
    except CommandError as error:
        said = str(error)
    else:
        assert np.isfinite(data.X).all()
    assert said.startswith(str(path))
    assert len(said.splitlines()) == 1


@given(
    header=st.sampled_from(["a,y\n", "y,a,b\n", "", "a;y\n", '"a\nb",y\n']),
    pieces=st.lists(st.sampled_from(CSV_PIECES), max_size=60),
)
@example(header="a,y\n", pieces=[",", '"', "a", "\n", "a"])  # a target of two lines
def test_any_text_is_read_or_refused_in_one_line(folder, header, pieces):
    path = folder / "any.csv"
    path.write_text(header + "".join(pieces), encoding="utf-8", newline="")
    check_read_or_refused(path, ["y"], validation=0, test=0)


@given(content=st.binary(max_size=300), ending=st.sampled_from(["csv", "parquet", "npz"]))
def test_any_bytes_are_read_or_refused_in_one_line(folder, content, ending):
    path = folder / f"bytes.{ending}"
    path.write_bytes(content)
    check_read_or_refused(path, [] if ending == "npz" else ["y"])
