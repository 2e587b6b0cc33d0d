"""The command line: ``descend train`` on real data and bad data, ``descend info``."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris

import descend as ds
from command_line import fails, iris_rows, write_csv
from descend.cli import Model

# ---- training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_digits_are_learned_to_97_percent(descend, seed):
    code, out, _ = descend("train", "digits", "--seed", seed)
    assert code == 0
    accuracy = float(out.partition("accuracy ")[2].split()[0])
    assert accuracy >= 0.97
    assert "patience" in out or "epochs" in out


def test_the_output_says_where_the_files_are(descend):
    _, out, _ = descend("train", "digits", "--epochs", 2)
    for name in ("digits-model/model.safetensors", "digits-model/learning_curves.png"):
        assert name in out
        assert Path(name).stat().st_size > 1000
    assert Path("digits-model/learning_curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_saved_network_takes_raw_inputs(descend):
    descend("train", "digits", "--epochs", 5, "--output", "here")
    X, y = load_digits(return_X_y=True)
    outputs = ds.Network.load("here/model.safetensors").predict(X)
    assert (outputs.argmax(axis=1) == y).mean() > 0.95


def test_training_repeats_itself_bit_for_bit(descend):
    for folder in "ab":
        descend("train", "digits", "--epochs", 3, "--dropout", 0.2, "--output", folder)
    assert Path("a/model.safetensors").read_bytes() == Path("b/model.safetensors").read_bytes()


def test_each_epoch_is_a_line_where_there_is_no_terminal(descend):
    _, _, err = descend("train", "digits", "--epochs", 3)
    lines = err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert all("loss" in line and "validation" in line and "rows/s" in line for line in lines)


@pytest.mark.parametrize("form", [{}, {"delimiter": ";"}, {"delimiter": "\t"}])
def test_a_csv_file_with_text_classes_is_learned(descend, form):
    write_csv("iris.csv", *iris_rows(), **form)
    code, out, _ = descend("train", "iris.csv", "--target", "species", "--layers", "16")
    assert code == 0
    assert "3 classes: setosa, versicolor, virginica" in out
    model = Model.load("iris-model")
    outputs = ds.Network.load("iris-model/model.safetensors").predict(load_iris().data)
    assert model.task.classes == ("setosa", "versicolor", "virginica")
    assert (outputs.argmax(axis=1) == load_iris().target).mean() > 0.9


def test_a_csv_file_with_a_real_target_is_a_regression(descend):
    data = load_diabetes(scaled=False)
    rows = np.column_stack([data.target, data.data])
    write_csv("diabetes.csv", ["progression", *data.feature_names], rows)
    code, out, _ = descend("train", "diabetes.csv", "--target", "progression", "--layers", "16")
    assert code == 0
    assert "squared_error" in out
    assert float(out.partition("R^2 ")[2].split()[0]) > 0.35
    predicted = ds.Network.load("diabetes-model/model.safetensors").predict(data.data)[:, 0]
    assert np.corrcoef(predicted, data.target)[0, 1] > 0.6
    assert abs(predicted.mean() - data.target.mean()) < 20


def test_a_linear_model_finds_a_linear_law_through_large_offsets(descend):
    rng = np.random.default_rng(0)
    X = 1e6 + rng.normal(size=(300, 2))
    np.savez("line.npz", X=X, y=3e5 * X[:, 0] - X[:, 1])
    code, out, _ = descend("train", "line.npz", "--layers", "", "--learning-rate", 0.05)
    assert code == 0
    assert float(out.partition("R^2 ")[2].split()[0]) > 0.999


def test_constant_columns_do_no_harm(descend):
    header, rows = iris_rows()
    write_csv("iris.csv", ["constant", *header], [[0.1, *row] for row in rows])
    code, out, _ = descend("train", "iris.csv", "--target", "species")
    assert code == 0
    assert float(out.partition("accuracy ")[2].split()[0]) > 0.8
    assert "'constant' is left out" in out
    write_csv("data.csv", ["a", "b", *range(30)], [[n, n % 2, *[7] * 30] for n in range(99)])
    _, out, _ = descend("train", "data.csv", "--target", "b", "--epochs", 1)
    assert "note      30 columns are left out, each the same in every training row: '0', " in out
    assert out.count("note ") == 1
    assert "'19' and 10 more\n" in out
    assert ds.Network.load("iris-model/model.safetensors").inputs == 4


def test_images_in_bytes_are_learned_from_an_npz_file(descend):
    X, y = load_digits(return_X_y=True)
    np.savez("images.npz", X=X.astype("uint8"), y=y[:, np.newaxis])
    _, same, _ = descend("train", "digits", "--epochs", 3)
    code, out, _ = descend("train", "images.npz", "--epochs", 3)
    assert code == 0
    assert out.partition("accuracy")[2].split()[0] == same.partition("accuracy")[2].split()[0]


@pytest.mark.parametrize(
    ("target", "loss", "said"),
    [
        ([0, 1], "auto", "2 classes: 0, 1"),
        ([-1, 1], "auto", "2 classes: -1, 1"),
        (["no", "yes"], "auto", "2 classes: no, yes"),
        ([0, 1], "huber", "real numbers"),
        ([0.5, 1], "auto", "real numbers"),
        ([0.5, 1], "softmax_cross_entropy", "2 classes: 0.5, 1"),
        (range(40), "auto", "real numbers"),
        (range(40), "softmax_cross_entropy", "40 classes: 0, 1,"),
    ],
)
def test_the_target_says_what_is_learned(descend, target, loss, said):
    y = np.resize(np.array(target), 200)
    np.savez("data.npz", X=np.random.default_rng(0).normal(size=(200, 3)), y=y)
    code, out, err = descend("train", "data.npz", "--loss", loss, "--epochs", 1, "--layers", "4")
    assert code == 0, err
    assert said in out


# ---- bad data ----------------------------------------------------------------------------------


BAD_CSV = {
    "missing column": ("a,b,c\n1,2,x\n", ["'label'", "a, b, c"]),
    "empty target": ("a,label\n1,x\n2, \n", ["line 3", "'label'", "empty"]),
    "infinite": ("a,label\n" + "1,x\n2,y\n" * 9 + "-inf,y\n", ["line 20", "'a'", "-inf", "finite"]),
    "overflowing": ("a,label\n" + "1,x\n2,y\n" * 9 + "1e999,y\n", ["line 20", "'a'", "inf"]),
    "infinite target": ("a,label\n1,0\n2,inf\n", ["line 3", "'label'", "inf", "finite"]),
    "NaN in the target": ("a,label\n1,0\n2,NaN\n", ["line 3", "'label'", "1 of 2 rows"]),
    "short row": ("a,b,label\n1,2,x\n3,y\n", ["line 3", "2 cells", "3 columns"]),
    "long row": ("a,label\n1,x\n\n3,4,y\n", ["line 4", "3 cells", "2 columns"]),
    "empty file": ("", ["empty"]),
    "names alone": ("a,label\n", ["no rows"]),
    "target alone": ("label\nx\ny\n", ["no columns"]),
    "twice the target": ("label,label\n1,x\n", ["2 columns", "'label'"]),
    "one class": ("a,label\n" + "1,x\n" * 9, ["is x in every row"]),
    "constant inputs": ("a,label\n" + "1,x\n1,y\n" * 9, ["alike"]),
    "no classes": ("a,label\n1,x\n2,y\n3,z\n", ["3 different values", "too many"]),
    "few rows": ("a,label\n1,x\n2,y\n1,x\n2,y\n", ["4 rows are too few"]),
}


@pytest.mark.parametrize(("text", "parts"), BAD_CSV.values(), ids=BAD_CSV)
def test_a_bad_csv_file_is_an_error_that_names_the_place(descend, text, parts):
    Path("data.csv").write_text(text)
    options = ["--test-fraction", 0.4, "--validation-fraction", 0.4]
    fails(descend("train", "data.csv", "--target", "label", *options), 1, "data.csv", *parts)
    assert not Path("data-model").exists()


NUMBERS = np.ones((9, 2))
BAD_NPZ = {
    "no y": ({"X": NUMBERS}, ["no array y", "X"]),
    "complex": ({"X": NUMBERS * 1j, "y": NUMBERS[:, 0]}, ["complex128"]),
    "text in X": ({"X": NUMBERS.astype(str), "y": NUMBERS[:, 0]}, ["X must be real numbers"]),
    "objects": ({"X": NUMBERS.astype(object), "y": NUMBERS[:, 0]}, ["plain arrays"]),
    "1-d X": ({"X": NUMBERS[:, 0], "y": NUMBERS[:, 0]}, ["(9,)"]),
    "other rows": ({"X": NUMBERS, "y": NUMBERS[:8, 0]}, ["(8,)", "(9,)"]),
    "infinite X": ({"X": NUMBERS * [1, np.inf], "y": NUMBERS[:, 0]}, ["X[0, 1]", "inf"]),
    "NaN in y": ({"X": NUMBERS, "y": NUMBERS[:, 0] * np.nan}, ["y[0]", "nan"]),
    "no rows": ({"X": NUMBERS[:0], "y": NUMBERS[:0, 0]}, ["no rows"]),
    "huge": (
        {"X": np.outer(np.linspace(-1, 1, 9), [1e308, 1]), "y": np.arange(9) % 2},
        ["too large"],
    ),
}


@pytest.mark.parametrize(("arrays", "parts"), BAD_NPZ.values(), ids=BAD_NPZ)
def test_a_bad_npz_file_is_an_error(descend, arrays, parts):
    np.savez("data.npz", **arrays)
    fails(descend("train", "data.npz"), 1, "data.npz", *parts)


@pytest.mark.parametrize("name", ["data.npz", "data.csv"])
@pytest.mark.parametrize("content", [b"\xff\x00\x12" * 99, b"PK\x03\x04 cut", b"a,b\0,label\n"])
def test_a_file_of_rubbish_is_an_error(descend, name, content):
    Path(name).write_bytes(content)
    target = ["--target", "label"] if name.endswith("csv") else []
    fails(descend("train", name, *target), 1, name)


def test_a_cut_npz_file_is_an_error(descend):
    np.savez_compressed("data.npz", X=np.random.default_rng(0).normal(size=(99, 9)), y=np.ones(99))
    content = bytearray(Path("data.npz").read_bytes())
    content[2000:4000] = bytes(2000)
    Path("data.npz").write_bytes(content)
    fails(descend("train", "data.npz"), 1, "data.npz", "damaged")


def test_a_missing_file_is_an_error(descend):
    fails(descend("train", "gone.csv", "--target", "y"), 1, "gone.csv", "No such file")


def test_an_output_folder_that_cannot_be_made_is_an_error_before_training(descend):
    Path("file").write_text("")
    result = descend("train", "digits", "--output", "file/folder")
    fails(result, 1, "file/folder")
    assert "epoch" not in result[2]


@pytest.mark.parametrize("option", ["--output", "--report"])
def test_a_folder_that_must_not_be_written_to_is_an_error_before_training(
    descend, monkeypatch, option
):
    Path("closed").mkdir()
    # Nothing is closed to an administrator, who may run the tests.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed")
    result = descend("train", "digits", option, "closed")
    fails(result, 1, "closed", "Permission denied")
    assert "epoch" not in result[2]


def test_a_diverging_run_is_an_error_that_says_what_to_do(descend):
    result = descend("train", "digits", "--optimizer", "sgd", "--learning-rate", "1e30")
    fails(result, 1, "Trainer.fit", "--learning-rate")
    assert not Path("digits-model/model.safetensors").exists()


# ---- without the extras ------------------------------------------------------------------------


def test_digits_without_scikit_learn_name_the_extra(descend, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    fails(descend("train", "digits"), 2, "scikit-learn", "descend[demo]")


def test_without_matplotlib_the_model_is_written_and_the_extra_named(descend, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, _ = descend("train", "digits", "--epochs", 1)
    assert code == 0
    assert "descend[plot]" in out
    written = sorted(path.name for path in Path("digits-model").iterdir())
    assert written == ["history.csv", "model.safetensors"]


# ---- usage -------------------------------------------------------------------------------------

BAD_USAGE = {
    "no data": ([], ["data"]),
    "other ending": (["data.xlsx"], ["data.xlsx", ".csv", ".parquet", ".npz", "digits"]),
    "target of digits": (["digits", "--target", "y"], ["--target"]),
    "layers": (["digits", "--layers", "8,x"], ["--layers", "8,x"]),
    "no units": (["digits", "--layers", "8,0"], ["--layers", "8,0", "from 1 on"]),
    "a unit left out": (["digits", "--layers", "8,,4"], ["--layers", "8,,4"]),
    "activation": (["digits", "--activation", "rleu"], ["rleu", *ds.activations()]),
    "optimizer": (["digits", "--optimizer", "adma"], ["adma", "adam"]),
    "learning rate": (["digits", "--learning-rate", "-1"], ["learning_rate", "-1"]),
    "batch size": (["digits", "--batch-size", "0"], ["--batch-size", "'0'"]),
    "epochs": (["digits", "--epochs", "0"], ["--epochs", "'0'"]),
    "patience": (["digits", "--patience", "-3"], ["--patience", "'-3'"]),
    "dropout": (["digits", "--dropout", "1"], ["dropout", "1"]),
    "threads": (["digits", "--threads", "-1"], ["threads", "-1"]),
    "seed": (["digits", "--seed", "-1"], ["seed", "-1"]),
    "large seed": (["digits", "--seed", str(2**64)], ["seed", str(2**64), "2^64 - 1"]),
    "fraction": (["digits", "--test-fraction", "1"], ["--test-fraction", "'1'"]),
}


@pytest.mark.parametrize(("arguments", "parts"), BAD_USAGE.values(), ids=BAD_USAGE)
def test_bad_usage_is_exit_code_2(descend, arguments, parts):
    fails(descend("train", *arguments), 2, *parts)
    assert not Path("digits-model").exists()


@pytest.mark.parametrize("command", ["train", "batch-size"])
def test_the_usage_above_an_error_is_one_line(descend, command):
    _, _, err = descend(command, "digits", "--epochs", "0")
    usage, message = err.splitlines()
    assert usage.startswith(f"usage: descend {command} ")
    assert "--epochs" in message


def test_the_optimizers_name_may_be_that_of_its_class(descend):
    code, out, err = descend("train", "digits", "--optimizer", "RMSProp", "--epochs", 1)
    assert code == 0, err
    assert "RMSProp(" in out


def test_the_epoch_that_patience_keeps_is_said(descend):
    _, out, _ = descend("train", "digits", "--patience", 2)
    with Path("digits-model/history.csv").open() as file:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(file)]
    best = losses.index(min(losses)) + 1
    assert best == len(losses) - 2
    assert re.search(f"by patience, after {len(losses)} epochs in .* s; epoch {best} is kept", out)


def test_a_csv_file_without_a_target_lists_its_columns(descend):
    Path("data.csv").write_text("a,b,c\n1,2,3\n")
    fails(descend("train", "data.csv"), 2, "--target", "a, b, c")


def test_a_wrong_column_is_answered_with_the_one_named_alike(descend):
    names = [f"column {number}" for number in range(30)]
    write_csv("data.csv", [*names, "churn"], [range(31)] * 9)
    result = descend("train", "data.csv", "--target", "chrun")
    fails(result, 1, "'chrun' (did you mean 'churn'?)", "column 0, ", "column 19 and 11 more.")
    assert "column 20" not in result[2]


def test_help_explains_every_option(descend):
    code, out, _ = descend("train", "--help")
    assert code == 0
    assert "examples:" in out
    assert all(name in out for name in [*ds.activations(), *map(str.lower, ds.optimizers())])


def test_info_prints_build_info(descend):
    code, out, _ = descend("info")
    assert code == 0
    assert "what this build is" in descend("info", "--help")[1]
    info = ds.build_info()
    assert all(str(info[key]) in out for key in ("version", "isa", "compiler"))


def test_the_facts_are_printed_alone(descend):
    assert descend("--version")[1] == descend("-V")[1] == f"descend {ds.__version__}\n"
    assert descend("--include")[1] == f"{ds.get_include()}\n"
    assert descend("--cmake-dir")[1] == f"{ds.get_cmake_dir()}\n"


# ---- as a program ------------------------------------------------------------------------------


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "descend", "--cmake-dir"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == f"{ds.get_cmake_dir()}\n"


def test_a_wrong_instruction_set_is_told_without_a_traceback():
    command = [sys.executable, "-m", "descend", "info"]
    environment = {**os.environ, "DESCEND_ISA": "nonsense"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    fails((run.returncode, run.stdout, run.stderr), 2, "nonsense", "portable")


@pytest.mark.usefixtures("empty_folder")
def test_ctrl_c_ends_a_run_without_a_traceback():
    command = [sys.executable, "-m", "descend", "train", "digits"]
    options = ["--epochs", "1000000", "--patience", "1000000"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr.readline().startswith("epoch 1/")
        begin = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
        assert time.monotonic() - begin < 10
    assert run.returncode == 130
    assert "Traceback" not in err
    assert err.endswith("descend: interrupted.\n")
    assert not list(Path("digits-model").iterdir())
