"""The programs in examples/ run as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments, folder):
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    # BLAS threads go on spinning after each product, on the processors of descend's.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The one about the batch size takes its time, and has a test of its own.
@pytest.mark.parametrize(
    "path",
    sorted(set(EXAMPLES.glob("*.py")) - {EXAMPLES / "batch_size.py"}),
    ids=lambda path: path.name,
)
def test_the_example_runs_and_leaves_nothing_behind(path, tmp_path):
    assert run(path.name, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["digits.py", "optimizers.py", "plot_mlp_training_curves.py"])
def test_the_example_draws_where_a_path_is_given(name, tmp_path):
    run(name, "figure.png", folder=tmp_path)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_digits_are_learned(tmp_path):
    out = run("digits.py", folder=tmp_path)
    assert float(out.partition("test accuracy: ")[2]) >= 0.96


def test_training_curves_are_scikit_learns_to_six_decimals(tmp_path):
    name = "plot_mlp_training_curves.py"
    code = (EXAMPLES / name).read_text(encoding="utf-8")
    assert code.count("from descend.sklearn import") == 1
    theirs = tmp_path / name
    theirs.write_text(code.replace("from descend.sklearn", "from sklearn.neural_network"))
    expected = run(theirs, folder=tmp_path)
    assert len(expected.splitlines()) == 4 * 8
    assert run(name, folder=tmp_path) == expected


def test_small_batches_need_fewer_epochs(tmp_path):
    lines = run("batch_vs_minibatch.py", folder=tmp_path).splitlines()[2:]
    epochs = [int(line.split()[1]) for line in lines]
    assert epochs == sorted(epochs, reverse=True)


@pytest.mark.slow
def test_errors_of_minibatches_are_as_predicted(tmp_path):
    out = run("batch_size.py", "claims.svg", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["claims.svg"]
    assert "<svg" in (tmp_path / "claims.svg").read_text()
    errors, epochs, _ = (table.splitlines()[1:] for table in out.split("batch size")[1:])
    for line in errors[:6]:
        _, predicted, measured = map(float, line.split())
        assert abs(measured / predicted - 1) < 0.1, line
    needed = [float(line.split()[3]) for line in epochs[:6]]
    assert needed[-1] > 3 * needed[0]


def test_hidden_ratings_are_found(tmp_path):
    lines = run("backend.py", folder=tmp_path).splitlines()
    hidden = [float(line.split()[-4]) for line in lines]
    assert hidden[-1] < 0.3 * hidden[0]
