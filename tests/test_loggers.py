"""CSVLogger and TensorBoard: the numbers of a run in files."""

import csv
import struct
import sys

import numpy as np
import pytest

import descend as ds
from callback_runs import VALIDATION, fit, trainer


def lines(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_file_has_a_line_an_epoch_with_all_its_bits(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("something,else\n1,2\n")
    history = fit(trainer(), [ds.CSVLogger(path)], validation_data=VALIDATION)
    rows = lines(path)
    assert list(rows[0]) == [
        *("epoch", "loss", "validation_loss", "learning_rate", "rows", "steps", "seconds")
    ]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    assert [float(row["loss"]) for row in rows] == history.loss
    assert [float(row["validation_loss"]) for row in rows] == history.validation_loss
    assert [row["steps"] for row in rows] == ["3", "6", "9", "12"]


def test_a_csv_file_may_go_on(tmp_path):
    path = tmp_path / "log.csv"
    run = trainer()
    for _ in range(2):
        fit(run, [ds.CSVLogger(path, append=True)], 2)
    assert [row["epoch"] for row in lines(path)] == ["1", "2", "3", "4"]
    with pytest.raises(ValueError, match=r"CSVLogger: .*columns epoch, loss, learning_rate"):
        fit(run, [ds.CSVLogger(path, append=True)], validation_data=VALIDATION)
    assert len(lines(path)) == 4


def test_a_csv_file_of_a_resumed_run_has_each_epoch_once(tmp_path):
    log, file = tmp_path / "log.csv", tmp_path / "file"
    whole = tmp_path / "whole.csv"
    fit(trainer(), [ds.CSVLogger(whole)], 5)
    # Three epochs are written down, and the file is of the second.
    early = ds.Checkpoint(file, every_n_epochs=2)
    fit(trainer(), [ds.CSVLogger(log), early], 3)
    assert len(lines(log)) == 3
    loaded = ds.Trainer.load(file)
    fit(loaded, [ds.CSVLogger(log)], 5 - loaded.epoch)

    def without_seconds(path):
        return [{**row, "seconds": None} for row in lines(path)]

    assert without_seconds(log) == without_seconds(whole)


def scalars(folder):
    """Read the event files back: each scalar as (tag, step, value)."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = []
    for path in sorted(folder.iterdir()):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (size,) = struct.unpack_from("<Q", data, place)
            event = event_pb2.Event.FromString(data[place + 12 : place + 12 + size])
            found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
            place += 12 + size + 4
    return found


def test_tensorboard_has_the_numbers_of_each_epoch_and_step(tmp_path):
    pytest.importorskip("tensorboardX")
    board = ds.TensorBoard(tmp_path, every_n_steps=2)
    history = fit(trainer(), [board], validation_data=VALIDATION)
    found = scalars(tmp_path)

    def curve(tag):
        return [(step, value) for name, step, value in found if name == tag]

    at = [3, 6, 9, 12]
    single = np.float32
    assert curve("loss") == list(zip(at, map(single, history.loss), strict=True))
    assert curve("validation_loss") == list(
        zip(at, map(single, history.validation_loss), strict=True)
    )
    assert curve("learning_rate") == [(step, single(0.01)) for step in at]
    assert curve("epoch") == list(zip(at, [1, 2, 3, 4], strict=True))
    assert [step for step, _ in curve("step/loss")] == [2, 4, 6, 8, 10, 12]


def test_tensorboard_without_a_writer_is_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"descend\[tensorboard\]"):
        ds.TensorBoard(tmp_path)
