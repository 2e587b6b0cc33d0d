"""Tables of the command line: how files are read, and what becomes of their columns."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import iris_rows, write_csv
from descend.cli.dataset import read
from descend.cli.errors import DataError
from descend.cli.model import Model
from descend.cli.prepared import prepare
from descend.network import Network
from reference.preparation import inputs_of

pytestmark = pytest.mark.usefixtures("no_figures")

NUMBERS = st.floats(-1e6, 1e6, width=32) | st.integers(-1000, 1000).map(float)
CELLS = {
    "number": NUMBERS,
    "boolean": st.booleans(),
    "text": st.sampled_from(["red", "green", "blau", "a b", 'say "x"', "x,y", "ä", "#1"]),
}


@st.composite
def tables(draw):
    """{name: cells} with missing ones, and a target that is last."""
    rows = draw(st.integers(8, 30))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    columns = {}
    for place, kind in enumerate(kinds):
        cells = CELLS[kind] if draw(st.booleans()) else st.none() | CELLS[kind]
        columns[f"{kind} {place}"] = draw(st.lists(cells, min_size=rows, max_size=rows))
    columns["y"] = [float(row % 3) + 0.5 * (row % 2) for row in range(rows)]
    return columns


def write(folder, columns, name="data"):
    """Write a table as CSV and Parquet; gives both paths."""
    as_csv, as_parquet = folder / f"{name}.csv", folder / f"{name}.parquet"
    cells = [["" if cell is None else cell for cell in column] for column in columns.values()]
    write_csv(as_csv, list(columns), zip(*cells, strict=True))
    pq.write_table(pa.table({key: pa.array(cells) for key, cells in columns.items()}), as_parquet)
    return as_csv, as_parquet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def prepared(path, **options):
    """Prepare a drawn table, None where there is nothing to learn from in it."""
    try:
        return prepare(str(path), ["y"], task="numbers", max_levels=100, **options)
    except DataError as error:
        if "alike" not in str(error):
            raise
        return None


def model_of(data):
    network = Network.mlp([len(data.preparation.inputs), 3, 1], seed=1, dtype="float64")
    return Model(network, data.task, data.preparation, data.target_scaling)


# ---- laws --------------------------------------------------------------------------------------


@given(columns=tables())
def test_the_inputs_are_those_of_the_twin(folder, columns):
    path, _ = write(folder, columns)
    data = prepared(path)
    names = [name for name in columns if name != "y"]
    if data is None:
        return
    expected = inputs_of({name: columns[name] for name in names}, data.split.train)
    np.testing.assert_allclose(data.inputs, expected, rtol=1e-12, atol=1e-8)


@given(columns=tables())
def test_the_training_rows_have_mean_0_and_deviation_1_where_numbers_are_present(folder, columns):
    path, _ = write(folder, columns)
    data = prepared(path)
    if data is None:
        return
    for place, name in enumerate(data.preparation.inputs):
        kind = name.partition(" ")[0]
        if kind == "text" or name.endswith("is missing"):
            assert np.isin(data.X[:, place], [0.0, 1.0]).all()
            continue
        cells = [columns[name][row] for row in data.split.train]
        present = np.array([cell is not None for cell in cells])
        z = data.X[data.split.train, place]
        assert (np.abs(z[~present]) < 1e-6).all()
        assert abs(z[present].mean()) < 1e-6
        if len({cell for cell in cells if cell is not None}) > 1:
            assert abs(z[present].std() - 1) < 1e-6


@given(columns=tables())
def test_csv_and_parquet_files_of_a_table_are_the_same_to_the_training(folder, columns):
    by_format = [prepared(path) for path in write(folder, columns)]
    if None in by_format:
        assert by_format == [None, None]
        return
    from_csv, from_parquet = by_format
    assert from_csv.preparation == from_parquet.preparation
    assert from_csv.checksum() == from_parquet.checksum()
    assert from_csv.X.tobytes() == from_parquet.X.tobytes()
    assert from_csv.y.tobytes() == from_parquet.y.tobytes()


@given(columns=tables(), order=st.randoms())
def test_predictions_are_the_same_for_any_order_of_columns(folder, columns, order):
    path, _ = write(folder, columns)
    data = prepared(path)
    if data is None:
        return
    model = model_of(data)
    names = [*columns, "extra"]
    order.shuffle(names)
    shuffled = {name: columns.get(name, columns["y"]) for name in names}
    expected = model.network.predict(data.inputs)
    for file in write(folder, shuffled, "shuffled"):
        outputs, _ = model.outputs(read(str(file)))
        assert outputs.tobytes() == expected.tobytes()


@given(columns=tables())
def test_a_model_file_gives_the_model_back(folder, columns):
    path, _ = write(folder, columns)
    data = prepared(path)
    if data is None:
        return
    model = model_of(data)
    file = model.save(folder)
    loaded = Model.load(file)
    assert (loaded.task, loaded.preparation) == (model.task, model.preparation)
    assert loaded.predict(path).tobytes() == model.predict(path).tobytes()
    assert Network.load(file).inputs == len(data.preparation.inputs)


def test_the_checksum_tells_changed_rows_apart(folder):
    columns = {"a": [1.0, 2.0, 3.0, 4.0] * 5, "b": ["x", "y"] * 10, "y": list(range(20))}
    data = prepared(write(folder, columns)[0])
    assert prepared(write(folder, columns)[1]).checksum() == data.checksum()
    row = int(data.split.validation[0])
    for name, cell in [("a", 3.5), ("b", "yx"[row % 2]), ("y", 0.25)]:
        changed = {**columns, name: [*columns[name][:row], cell, *columns[name][row + 1 :]]}
        assert changed[name] != columns[name]
        assert prepared(write(folder, changed)[0]).checksum() != data.checksum()
    assert prepared(write(folder, columns)[0], seed=1).checksum() != data.checksum()


def test_the_folded_network_is_the_trained_one_in_the_units_of_the_data(descend):
    columns = {
        "a": [float(row % 7) * 1e4 for row in range(60)],
        "b": [None if row % 5 == 0 else "uv"[row % 2] for row in range(60)],
        "y": [row % 7 * 300.0 + 5000.0 for row in range(60)],
    }
    path, _ = write(Path(), columns)
    options = ["--layers", "8", "--epochs", 300, "--test", 0, "--validation", 0]
    options += ["--task", "numbers", "--learning-rate", 0.01]
    code, out, _ = descend("train", path, "--target", "y", *options)
    assert code == 0
    assert float(out.partition("R^2 ")[2].split()[0]) > 0.99
    predicted = Model.load("data-model").predict(path)[:, 0]
    assert np.abs(predicted - columns["y"]).max() < 100


def test_csv_and_parquet_files_of_a_table_give_the_same_model_bits(descend):
    header, rows = iris_rows()
    cells = zip(*rows, strict=True)
    columns = {name: list(column) for name, column in zip(header, cells, strict=True)}
    columns["sepal width (cm)"][::7] = [None] * len(columns["sepal width (cm)"][::7])
    columns["colour"] = [["red", "blue", None][row % 3] for row in range(150)]
    columns["large"] = [row % 2 == 0 for row in range(150)]
    for path, folder in zip(write(Path(), columns), "cp", strict=True):
        options = ["--layers", "8", "--epochs", 2, "--output", folder]
        assert descend("train", path, "--target", "species", *options)[0] == 0
    assert Path("c/model.safetensors").read_bytes() == Path("p/model.safetensors").read_bytes()


# ---- kinds -------------------------------------------------------------------------------------

KINDS = {
    "numbers": (["1", "-2.5e3", " 3 ", "NA"], "number"),
    "whole numbers": (["1", "2", "", "4"], "number"),
    "booleans": (["true", "False", "TRUE", "null"], "boolean"),
    "text": (["1", "2", "three", ""], "text"),
    "nothing": (["", "NA", "n/a", "nan"], "empty"),
    "days": (["2024-02-29", "2023-1-5", "", "2020-12-31"], "date"),
    "times": (["2024-02-29 10:00", "2024-02-29T10:00:00Z", "", ""], "date"),
    "German days": (["29.02.2024", "1.1.2020", "", ""], "date"),
    "hours": (["12:00", "8:30:15", "", ""], "date"),
    "ranges": (["1-2", "3-4", "", ""], "text"),
}


@pytest.mark.parametrize(("cells", "kind"), KINDS.values(), ids=KINDS)
def test_the_kind_of_a_csv_column_is_found_from_all_its_cells(tmp_path, cells, kind):
    path = tmp_path / "data.csv"
    write_csv(path, ["a", "b"], [(cell, 1) for cell in cells])
    assert read(str(path)).columns["a"].kind == kind


ARROW = {
    "int8": (pa.array([1, None], pa.int8()), "number", "nan"),
    "uint64": (pa.array([1, 2**63], pa.uint64()), "number", None),
    "float16": (pa.array(np.array([1, 2], np.float16)), "number", None),
    "decimal": (pa.array([1, 2]).cast(pa.decimal128(25, 2)), "number", None),
    "boolean": (pa.array([True, False]), "boolean", None),
    "string": (pa.array(["1", "2"]), "text", None),
    "levels": (pa.array(["7", "8"]).dictionary_encode(), "text", None),
    "null": (pa.nulls(2), "empty", None),
    "NaN": (pa.array([np.nan, np.nan]), "empty", None),
    "date": (pa.array([1, 2], pa.date32()), "date", None),
    "timestamp": (pa.array([1, 2], pa.timestamp("us")), "date", None),
    "duration": (pa.array([1, 2], pa.duration("s")), "other", None),
    "list": (pa.array([[1], [2]]), "other", None),
    "binary": (pa.array([b"x", b"y"]), "other", None),
}


@pytest.mark.parametrize(("cells", "kind", "last"), ARROW.values(), ids=ARROW)
def test_the_kind_of_a_parquet_column_is_its_type(tmp_path, cells, kind, last):
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": cells}), path)
    table = read(str(path))
    assert table.columns["a"].kind == kind
    if kind == "number":
        expected = [np.nan if cell is None else float(cell) for cell in cells.to_pylist()]
        np.testing.assert_array_equal(table.numbers("a"), expected)


def test_columns_without_names_are_left_out_and_named(descend):
    header, rows = iris_rows()
    write_csv("iris.csv", ["", *header], [[n, *row] for n, row in enumerate(rows)])
    options = ["--layers", "4", "--epochs", 1]
    code, out, _ = descend("train", "iris.csv", "--target", "species", *options)
    assert code == 0
    assert "number 1, which has no name is left out" in out
    assert Network.load("iris-model/model.safetensors").inputs == 4


@pytest.mark.parametrize("form", ["\ufeffa;b\n1;2\n", "a\tb\r\n1\t2\r\n", '\n"a","b"\n\n1,2\n\n'])
def test_a_csv_file_may_come_from_any_spreadsheet(tmp_path, form):
    path = tmp_path / "data.txt"
    path.write_bytes(form.encode())
    table = read(str(path))
    assert {name: column.numbers.tolist() for name, column in table.columns.items()} == {
        "a": [1.0],
        "b": [2.0],
    }


def test_a_cell_may_hold_lines_and_the_place_of_a_later_row_is_right(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('text,x\n"two\nlines",1\n\nmore,inf\n')
    table = read(str(path))
    assert table.texts("text").to_pylist() == ["two\nlines", "more"]
    with pytest.raises(DataError, match="line 5, column 'x' is inf"):
        table.numbers("x")
