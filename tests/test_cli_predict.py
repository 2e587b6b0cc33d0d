"""``descend predict`` and ``descend evaluate``: a model on new rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score

import descend as ds
from command_line import fails, iris_rows, read_csv, write_csv
from descend.cli import Model, metadata

pytestmark = pytest.mark.usefixtures("no_figures")

FAST = ["--epochs", 20, "--layers", "8", "--learning-rate", 0.01]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with iris.csv, which has a column of text and missing values, and its model."""
    folder = tmp_path_factory.mktemp("iris")
    before = Path.cwd()
    os.chdir(folder)
    try:
        from descend.cli import main

        header, rows = iris_rows()
        colours = ["red", "blue", "", "green"]
        rows = [[n, colours[n % 4], *row] for n, row in enumerate(rows)]
        write_csv("iris.csv", ["id", "colour", *header], rows)
        options = ["--target", "species", "--drop", "id", *map(str, FAST)]
        assert main(["train", "iris.csv", *options]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def iris(trained, descend):
    """The files above, copied into the empty folder of the test."""
    for path in (trained / "iris.csv", trained / "iris-model" / "model.safetensors"):
        Path(path.name).write_bytes(path.read_bytes())
    return trained


def rows_of(path):
    return read_csv(Path(path).read_text())


def write_rows(path, rows):
    write_csv(path, list(rows[0]), [row.values() for row in rows])


# ---- predict -----------------------------------------------------------------------------------


def test_predictions_are_the_classes_and_probabilities_of_the_network(iris, descend):
    code, out, err = descend("predict", "model.safetensors", "iris.csv")
    assert code == 0
    assert "ignored: 'id'" in err
    rows = read_csv(out)
    names = load_iris().target_names
    assert list(rows[0]) == ["prediction", *[f"probability_{name}" for name in names]]
    columns = list(rows[0])[1:]
    probabilities = np.array([[float(row[column]) for column in columns] for row in rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert [row["prediction"] for row in rows] == names[probabilities.argmax(axis=1)].tolist()
    assert list(Model.load("model.safetensors").predict("iris.csv")) == [
        row["prediction"] for row in rows
    ]
    truth = [row["species"] for row in rows_of("iris.csv")]
    assert np.mean([row["prediction"] == name for row, name in zip(rows, truth, strict=True)]) > 0.8


def test_the_folder_of_a_model_stands_for_it(iris, descend):
    by_folder = descend("predict", iris / "iris-model", "iris.csv")
    assert by_folder[:2] == descend("predict", "model.safetensors", "iris.csv")[:2]


def test_columns_are_kept_as_they_are(iris, descend):
    keep = ["--keep", "id", "--keep", "colour"]
    _, out, err = descend("predict", "model.safetensors", "iris.csv", *keep)
    assert err == ""
    rows, source = read_csv(out), rows_of("iris.csv")
    assert list(rows[0])[:3] == ["id", "colour", "prediction"]
    assert [row["id"] for row in rows] == [row["id"] for row in source]
    assert [row["colour"] for row in rows] == [row["colour"] for row in source]


def test_csv_and_parquet_files_hold_the_same_predictions(iris, descend):
    for name in ("out.csv", "out.parquet"):
        options = ["-o", name, "--keep", "id"]
        assert descend("predict", "model.safetensors", "iris.csv", *options)[:2] == (0, "")
    written, parquet = rows_of("out.csv"), pq.read_table("out.parquet").to_pylist()
    assert [{key: str(cell) for key, cell in row.items()} for row in parquet] == written


def test_an_unknown_level_and_an_unknown_missing_value_are_counted(iris, descend):
    source = rows_of("iris.csv")
    for row in source[:3]:
        row["colour"] = "violet"
    source[5]["petal width (cm)"] = ""
    write_rows("new.csv", source)
    code, _, err = descend("predict", "model.safetensors", "new.csv")
    assert code == 0
    assert "'colour': 3 of 150 rows" in err
    assert "'petal width (cm)': 1 of 150 rows" in err


def test_an_unknown_level_leaves_all_inputs_of_the_column_at_0(iris, descend):
    model = Model.load("model.safetensors")
    from descend.cli.dataset import read

    source = rows_of("iris.csv")
    source[0]["colour"] = "violet"
    write_rows("new.csv", source)
    encoded = model.preparation.encode(read("new.csv"))
    names = model.preparation.inputs
    of_colour = [place for place, name in enumerate(names) if name.startswith("colour")]
    assert [names[place] for place in of_colour] == [
        "colour=blue",
        "colour=green",
        "colour=red",
        "colour is missing",
    ]
    assert encoded.inputs[0, of_colour].tolist() == [0, 0, 0, 0]
    assert encoded.inputs[1:4, of_colour].tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]


def test_the_target_need_not_be_there(iris, descend):
    source = rows_of("iris.csv")
    for row in source:
        del row["species"], row["id"]
    write_rows("new.csv", source)
    same = descend("predict", "model.safetensors", "iris.csv")[1]
    assert descend("predict", "model.safetensors", "new.csv") == (0, same, "")


def test_digits_and_npz_files_are_predicted(descend):
    descend("train", "digits", *FAST)
    X, y = load_digits(return_X_y=True)
    np.savez("images.npz", X=X)
    _, out, _ = descend("predict", "digits-model", "images.npz")
    assert out == descend("predict", "digits-model", "digits")[1]
    predicted = np.array([int(row["prediction"]) for row in read_csv(out)])
    assert (predicted == y).mean() > 0.9


def test_counts_are_predicted_by_their_mean(descend):
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    write_csv("data.csv", ["x", "n"], zip(x, rng.poisson(np.exp(1 + x / 2)), strict=True))
    options = ["--loss", "poisson", "--epochs", 100, "--layers", "", "--learning-rate", 0.01]
    assert descend("train", "data.csv", "--target", "n", *options)[0] == 0
    _, out, _ = descend("predict", "data-model", "data.csv")
    means = np.array([float(row["prediction"]) for row in read_csv(out)])
    np.testing.assert_allclose(means, np.exp(1 + x / 2), rtol=0.25)


def test_output_that_nobody_reads_to_the_end_is_no_error(iris):
    write_rows("new.csv", rows_of("iris.csv") * 99)
    command = f"{sys.executable} -m descend predict model.safetensors new.csv | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("prediction,")
    assert done.stderr == "note: ignored: 'id'\n"


# ---- evaluate ----------------------------------------------------------------------------------


def figures(out):
    lines = [line.split() for line in out.splitlines()]
    return {line[0]: float(line[1]) for line in lines if len(line) == 2}


def test_the_figures_of_classes_are_scikit_learns(iris, descend):
    code, out, _ = descend("evaluate", "model.safetensors", "iris.csv")
    assert code == 0
    model = Model.load("model.safetensors")
    predicted = model.predict("iris.csv")
    truth = [row["species"] for row in rows_of("iris.csv")]
    assert figures(out)["accuracy"] == pytest.approx(accuracy_score(truth, predicted), rel=1e-5)
    assert set(figures(out)) == {"loss", "accuracy", "balanced_accuracy", "f1", "roc_auc"}


def test_two_classes_have_the_area_under_the_curve(descend):
    rows = [(x, ["no", "yes"][(x * 7919 % 100 < x)]) for x in range(100)]
    write_csv("data.csv", ["x", "y"], rows)
    assert descend("train", "data.csv", "--target", "y", *FAST)[0] == 0
    _, out, _ = descend("evaluate", "data-model", "data.csv")
    table = read_csv(descend("predict", "data-model", "data.csv")[1])
    scores = [float(row["probability_yes"]) for row in table]
    expected = roc_auc_score([name == "yes" for _, name in rows], scores)
    assert figures(out)["roc_auc"] == pytest.approx(expected, rel=1e-5)


def test_the_figures_of_numbers_are_in_the_units_of_the_data(descend):
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    y = 1e4 * x + 1e6 + rng.normal(size=300) * 1e3
    write_csv("data.csv", ["x", "y"], zip(x, y, strict=True))
    assert descend("train", "data.csv", "--target", "y", "--epochs", 50)[0] == 0
    _, out, _ = descend("evaluate", "data-model", "data.csv")
    predicted = Model.load("data-model").predict("data.csv")[:, 0]
    found = figures(out)
    error = mean_absolute_error(y, predicted)
    assert found["mean_absolute_error"] == pytest.approx(error, rel=1e-5)
    assert found["r2"] == pytest.approx(r2_score(y, predicted), rel=1e-5)
    # The loss is that of the training, of a target with deviation 1.
    assert found["loss"] == pytest.approx((1 - r2_score(y, predicted)) / 2, rel=0.1)


def test_the_test_rows_of_a_training_have_the_figures_that_it_said(descend):
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(200, 3)), rng.normal(size=200)
    np.savez("data.npz", X=X, y=X[:, 0] + 0.3 * noise)
    _, said, _ = descend("train", "data.npz", *FAST)
    rows = np.random.default_rng(0).permutation(200)[:40]
    np.savez("test.npz", X=X[rows], y=(X[:, 0] + 0.3 * noise)[rows])
    _, out, _ = descend("evaluate", "data-model", "test.npz")
    r_squared = float(said.partition("R^2 ")[2].split()[0])
    assert figures(out)["r2"] == pytest.approx(r_squared, abs=1e-4)


# ---- what is wrong -----------------------------------------------------------------------------


def without(rows, *names):
    return [{name: cell for name, cell in row.items() if name not in names} for row in rows]


def test_a_missing_column_is_named(iris, descend):
    source = without(rows_of("iris.csv"), "colour", "petal width (cm)")
    write_rows("new.csv", source)
    result = descend("predict", "model.safetensors", "new.csv")
    fails(result, 1, "new.csv", "'colour'", "'petal width (cm)'", "it has:")


def test_text_in_a_column_of_numbers_is_named_with_its_line(iris, descend):
    source = rows_of("iris.csv")
    source[8]["petal width (cm)"] = "wide"
    write_rows("new.csv", source)
    result = descend("predict", "model.safetensors", "new.csv")
    fails(result, 1, "new.csv", "line 10", "'petal width (cm)'", "'wide'", "not a number")


def test_a_missing_target_is_named(iris, descend):
    source = without(rows_of("iris.csv"), "species")
    write_rows("new.csv", source)
    fails(descend("evaluate", "model.safetensors", "new.csv"), 1, "new.csv", "'species'")


def test_a_class_that_the_model_does_not_know_is_named(iris, descend):
    source = rows_of("iris.csv")
    source[3]["species"] = "rosa"
    write_rows("new.csv", source)
    result = descend("evaluate", "model.safetensors", "new.csv")
    fails(result, 1, "new.csv", "'rosa'", "setosa, versicolor, virginica")


def test_a_target_that_is_missing_in_a_row_is_named_with_its_line(iris, descend):
    source = rows_of("iris.csv")
    source[3]["species"] = ""
    write_rows("new.csv", source)
    fails(descend("evaluate", "model.safetensors", "new.csv"), 1, "line 5", "1 of 150")


def test_a_matrix_is_not_a_table(iris, descend):
    np.savez("data.npz", X=np.ones((5, 4)))
    fails(descend("predict", "model.safetensors", "data.npz"), 1, "data.npz", "columns have names")
    descend("train", "digits", "--epochs", 1)
    fails(descend("predict", "digits-model", "iris.csv"), 1, "iris.csv", "NPZ")
    fails(descend("predict", "digits-model", "data.npz"), 1, "data.npz", "4 columns", "64")
    fails(descend("evaluate", "digits-model", "data.npz"), 1, "data.npz", "no array y")


MODELS = {
    "a text": b"hello, I am not a model",
    "nothing": b"",
    "a CSV file": b"a,b\n1,2\n",
}


@pytest.mark.parametrize("content", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_file_that_is_no_model_is_an_error(iris, descend, command, content):
    Path("other").write_bytes(content)
    fails(descend(command, "other", "iris.csv"), 1, "other", "not a model")


def test_a_model_that_is_not_there_is_an_error(iris, descend):
    fails(descend("predict", "gone.safetensors", "iris.csv"), 1, "gone.safetensors", "No such file")
    Path("empty").mkdir()
    fails(descend("predict", "empty", "iris.csv"), 1, "empty", "without model.safetensors")


def test_the_systems_reason_is_said_once(iris, descend):
    _, _, err = descend("predict", "gone.safetensors", "iris.csv")
    assert err == "descend: gone.safetensors: No such file or directory.\n"
    _, _, err = descend("train", "digits", "--epochs", 1, "--checkpoint", "gone/run")
    assert err == "descend: gone/run: No such file or directory.\n"


def test_output_of_another_kind_of_file_is_refused_before_the_model_is_read(descend):
    result = descend("predict", "gone", "gone.csv", "-o", "answers.xlsx")
    fails(result, 2, "answers.xlsx", ".csv", ".parquet")


def test_a_symbolic_link_stays_and_what_it_points_to_is_written(iris, descend):
    Path("answers.csv").symlink_to("elsewhere.csv")
    Path("run.ckpt").symlink_to("elsewhere.ckpt")
    descend("predict", "model.safetensors", "iris.csv", "-o", "answers.csv")
    descend("train", "digits", "--epochs", 1, "--checkpoint", "run.ckpt")
    assert Path("answers.csv").is_symlink()
    assert Path("run.ckpt").is_symlink()
    assert Path("elsewhere.csv").read_text().startswith("prediction,")
    assert descend("resume", "elsewhere.ckpt")[0] == 0


def test_a_tsv_file_is_written_with_tabs(iris, descend):
    code, _, err = descend("predict", "model.safetensors", "iris.csv", "-o", "answers.tsv")
    assert code == 0, err
    _, out, _ = descend("predict", "model.safetensors", "iris.csv")
    assert Path("answers.tsv").read_text() == out.replace(",", "\t")


def test_a_network_without_preparation_says_how_to_use_it(iris, descend):
    ds.Network.mlp([4, 3]).save("bare.safetensors")
    fails(descend("predict", "bare.safetensors", "iris.csv"), 1, "bare", "Network.load")


DAMAGES = {
    "no JSON": lambda stored: "{",
    "a list": lambda stored: "[]",
    "another version": lambda stored: json.dumps({**stored, "version": 2}),
    "no task": lambda stored: json.dumps({**stored, "task": None}),
    "strange task": lambda stored: json.dumps({**stored, "task": {"losses": 1}}),
    "no columns": lambda stored: json.dumps({**stored, "table": {}}),
    "fewer columns": lambda stored: json.dumps(
        {**stored, "table": {"columns": stored["table"]["columns"][1:]}}
    ),
    "fewer classes": lambda stored: json.dumps(
        {**stored, "task": {**stored["task"], "classes": ["a", "b"]}}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_preparation_is_an_error(iris, descend, damage):
    path = Path("model.safetensors")
    stored = json.loads(metadata.read(path, "preparation"))
    metadata.add(path, "preparation", damage(stored))
    assert ds.Network.load(path).inputs == len(Model.load(iris / "iris-model").preparation.inputs)
    fails(descend("predict", path, "iris.csv"), 1, str(path), "preparation")


def test_output_that_cannot_be_written_is_an_error_and_leaves_nothing(iris, descend):
    Path("file").write_text("")
    for output in ("file/out.csv", "gone/out.parquet", "."):
        result = descend("predict", "model.safetensors", "iris.csv", "-o", output)
        fails(result, 1, output)
    assert sorted(path.name for path in Path().iterdir()) == [
        "file",
        "iris.csv",
        "model.safetensors",
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error(iris, descend):
    result = descend("predict", "model.safetensors", "iris.csv", "-o", "/dev/full")
    fails(result, 1, "/dev/full", "No space left")
    assert Path("/dev/full").is_char_device()


def test_keeping_what_is_not_there_is_an_error(iris, descend):
    fails(descend("predict", "model.safetensors", "iris.csv", "--keep", "size"), 1, "'size'")
    write_rows("new.csv", [{"prediction": 1, **row} for row in rows_of("iris.csv")])
    result = descend("predict", "model.safetensors", "new.csv", "--keep", "prediction")
    fails(result, 2, "--keep prediction")
    np.savez("data.npz", X=np.ones((5, 4)))
    fails(descend("predict", "model.safetensors", "data.npz", "--keep", "id"), 2, "--keep")


def test_help_shows_examples(descend):
    for command in ("predict", "evaluate"):
        code, out, _ = descend(command, "--help")
        assert code == 0
        assert "examples:" in out


# ---- in Python ---------------------------------------------------------------------------------


def test_a_model_takes_data_frames_and_arrays(iris, descend):
    import pandas as pd
    import pyarrow.csv

    model = Model.load("model.safetensors")
    expected = list(model.predict("iris.csv"))
    frame = pd.read_csv("iris.csv")
    assert list(model.predict(frame)) == expected
    assert list(model.predict(frame[frame.columns[::-1]].iloc[::-1])) == expected[::-1]
    assert list(model.predict(pyarrow.csv.read_csv("iris.csv"))) == expected
    with pytest.raises(ValueError, match=r"the table: no column 'colour'"):
        model.predict(frame.drop(columns="colour"))
    with pytest.raises(ValueError, match="columns have names"):
        model.predict(np.ones((3, 4)))
    descend("train", "digits", "--epochs", 1)
    X, _ = load_digits(return_X_y=True)
    model = Model.load("digits-model")
    assert model.predict(X).tolist() == model.predict("digits").tolist()
    for wrong, match in [(X[0], "shape"), (X * np.nan, "finite"), (X[:, 1:], "63 columns")]:
        with pytest.raises(ValueError, match=match):
            model.predict(wrong)
