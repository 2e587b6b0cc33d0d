"""Checkpoints of ``descend train``, and ``descend resume``."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from command_line import fails, iris_rows, write_csv
from descend.cli import checkpoint

RESULTS = ["model.safetensors", "history.csv", "learning_curves.png", "confusion_matrix.png"]
OPTIONS = ["--layers", "16,8", "--dropout", 0.1, "--epochs", 30, "--report", "report/"]


@pytest.fixture
def iris(descend):
    header, rows = iris_rows()
    write_csv("iris.csv", header, rows)


def contents(folder):
    return {name: (Path(folder) / name).read_bytes() for name in RESULTS}


def saves_of(monkeypatch, wanted):
    """Save after every epoch, and give Ctrl-C behind the save of the epoch wanted."""
    monkeypatch.setattr(checkpoint, "_SECONDS_BETWEEN", 0.0)
    save = checkpoint.Checkpoint.save

    def save_and_interrupt(self, trainer):
        save(self, trainer)
        if trainer.epoch == wanted:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoint, "save", save_and_interrupt)


@pytest.mark.usefixtures("iris")
@pytest.mark.parametrize("epochs", [0, 1, 7, 29, 30])
@pytest.mark.parametrize("ending", [[], ["--patience", 3, "--learning-rate", 0.05]])
def test_a_resumed_run_ends_in_the_same_bits(descend, monkeypatch, epochs, ending):
    command = ["train", "iris.csv", "--target", "species", *OPTIONS, *ending]
    assert descend(*command)[0] == 0
    whole = contents("report")
    for name in RESULTS:
        Path("report", name).unlink()
    with monkeypatch.context() as patch:
        saves_of(patch, epochs)
        code, _, err = descend(*command, "--checkpoint", "run.ckpt")
    stopped = len(whole["history.csv"].splitlines()) - 1
    if epochs > stopped or (code == 0 and epochs == stopped):
        assert code == 0
        return
    assert code == 130
    assert err.splitlines()[-1] == "descend: interrupted."
    if epochs > 0:
        assert "descend resume run.ckpt" in err
    code, out, err = descend("resume", "run.ckpt")
    assert code == 0, err
    assert f"after {epochs} of 30 epochs" in out
    assert contents("report") == whole


@pytest.mark.usefixtures("iris")
def test_a_run_that_was_done_is_finished_again(descend):
    command = ["train", "iris.csv", "--target", "species", *OPTIONS]
    assert descend(*command, "--checkpoint", "run.ckpt")[0] == 0
    whole = contents("report")
    Path("report/model.safetensors").unlink()
    assert descend("resume", "run.ckpt")[0] == 0
    assert contents("report") == whole


@pytest.mark.usefixtures("iris")
def test_a_run_is_resumed_from_another_folder(descend, monkeypatch):
    command = ["train", "iris.csv", "--target", "species", "--epochs", 3]
    assert descend(*command, "--checkpoint", "run.ckpt")[0] == 0
    whole = contents("iris-model")
    Path("iris-model/model.safetensors").unlink()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert descend("resume", "../run.ckpt")[0] == 0
    assert contents("../iris-model") == whole
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("empty_folder")
def test_ctrl_c_leaves_a_checkpoint_that_ends_in_the_same_bits():
    options = ["--epochs", "15", "--patience", "15", "--layers", "300,300"]
    program = [sys.executable, "-m", "descend"]
    whole = subprocess.run(
        [*program, "train", "digits", *options, "--output", "whole"], capture_output=True
    )
    assert whole.returncode == 0
    command = [*program, "train", "digits", *options, "--output", "parts"]
    with subprocess.Popen(
        [*command, "--checkpoint", "run.ckpt"], stderr=subprocess.PIPE, text=True
    ) as run:
        for line in run.stderr:
            if line.startswith("epoch 3/"):
                break
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=300)
    assert run.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-2:] == [
        "descend: go on with: descend resume run.ckpt",
        "descend: interrupted.",
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["parts", "run.ckpt", "whole"]
    assert list(Path("parts").iterdir()) == []
    resumed = subprocess.run([*program, "resume", "run.ckpt"], capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert contents("parts") == contents("whole")


# ---- what is wrong -----------------------------------------------------------------------------


@pytest.fixture
def run(descend):
    """A checkpoint, run.ckpt, and its data, iris.csv."""
    header, rows = iris_rows()
    write_csv("iris.csv", header, rows)
    options = ["--target", "species", "--epochs", 2, "--checkpoint", "run.ckpt"]
    assert descend("train", "iris.csv", *options)[0] == 0


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "change",
    [
        lambda header, rows: (header, rows[1:]),
        lambda header, rows: (header, rows[::-1]),
        lambda header, rows: (header, [[9.5, *rows[0][1:]], *rows[1:]]),
        lambda header, rows: (header, [[*rows[0][:4], "virginica"], *rows[1:]]),
        lambda header, rows: (["another name", *header[1:]], rows),
    ],
    ids=["fewer rows", "another order", "a number", "a class", "a name"],
)
def test_other_data_are_refused(descend, change):
    write_csv("iris.csv", *change(*iris_rows()))
    Path("iris-model/model.safetensors").unlink()
    fails(descend("resume", "run.ckpt"), 1, "iris.csv", "run.ckpt", "not the data")
    assert not Path("iris-model/model.safetensors").exists()


@pytest.mark.usefixtures("run")
def test_data_that_are_gone_are_named(descend):
    Path("iris.csv").unlink()
    fails(descend("resume", "run.ckpt"), 1, "iris.csv", "No such file")


def test_a_checkpoint_that_is_not_there_is_an_error(descend):
    fails(descend("resume", "gone.ckpt"), 1, "gone.ckpt", "No such file")


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4" * 20])
def test_a_file_that_is_no_checkpoint_is_an_error(descend, content):
    Path("run.ckpt").write_bytes(content)
    fails(descend("resume", "run.ckpt"), 1, "run.ckpt", "not a checkpoint")
    fails(descend("resume", "iris-model/model.safetensors"), 1, "not a checkpoint")
    fails(descend("resume", "iris-model"), 1, "iris-model", "directory")


@pytest.mark.usefixtures("run")
def test_a_damaged_checkpoint_is_an_error(descend):
    content = Path("run.ckpt").read_bytes()
    for place in range(0, len(content), len(content) // 40):
        damaged = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        Path("damaged.ckpt").write_bytes(damaged)
        code, _, err = descend("resume", "damaged.ckpt")
        assert "Traceback" not in err
        if code == 0:  # a byte that says nothing, such as the time of a member
            continue
        fails((code, "", err), 1, "damaged.ckpt")
    Path("cut.ckpt").write_bytes(content[: len(content) // 2])
    fails(descend("resume", "cut.ckpt"), 1, "cut.ckpt", "not a checkpoint")


COMMANDS = {
    "another version": ({"version": 2}, "version 2"),
    "another command": ({"command": ["predict", "a", "b"]}, "go on with"),
    "unknown options": ({"command": ["train", "iris.csv", "--nonsense"]}, "go on with"),
    "no text": ({"command": 5}, "not a checkpoint"),
}


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(("change", "said"), COMMANDS.values(), ids=COMMANDS)
def test_a_checkpoint_of_another_command_is_an_error(descend, change, said):
    with zipfile.ZipFile("run.ckpt") as file:
        run, trainer = json.loads(file.read("run.json")), file.read("trainer.safetensors")
    with zipfile.ZipFile("run.ckpt", "w") as file:
        file.writestr("run.json", json.dumps({**run, **change}))
        file.writestr("trainer.safetensors", trainer)
    fails(descend("resume", "run.ckpt"), 1, "run.ckpt", said)


def test_a_checkpoint_that_cannot_be_written_is_an_error_before_training(descend):
    result = descend("train", "digits", "--checkpoint", "gone/run.ckpt")
    fails(result, 1, "gone/run.ckpt", "No such file")
    assert "epoch" not in result[2]
    assert [path.name for path in Path().iterdir()] == ["digits-model"]


@pytest.mark.usefixtures("iris")
def test_a_checkpoint_that_can_no_longer_be_written_is_a_warning(descend, monkeypatch):
    monkeypatch.setattr(checkpoint, "_SECONDS_BETWEEN", 0.0)
    replace = os.replace

    def full(source, target):
        if Path(target).name == "run.ckpt" and Path("run.ckpt").exists():
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    options = ["--target", "species", "--epochs", 2, "--checkpoint", "run.ckpt"]
    code, _, err = descend("train", "iris.csv", *options)
    assert code == 0
    assert err.count("warning: not saved: run.ckpt: No space left on device") == 2
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_help_shows_examples(descend):
    code, out, _ = descend("resume", "--help")
    assert code == 0
    assert "examples:" in out
