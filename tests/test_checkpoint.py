"""Checkpoint: which files it writes, and when."""

import numpy as np
import pytest

import descend as ds
from callback_runs import CASE, VALIDATION, fit, overfitting, trainer


def test_a_checkpoint_names_its_files(tmp_path):
    path = tmp_path / "{{run}}-{epoch:02d}-{step}.safetensors"
    fit(trainer(), [ds.Checkpoint(path, every_n_epochs=2, every_n_steps=5)])
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [f"{{run}}-{which}.safetensors" for which in ("01-5", "02-6", "03-10", "04-12")]
    for name in names:
        loaded = ds.Trainer.load(tmp_path / name)
        assert name == f"{{run}}-{loaded.epoch:02d}-{loaded.steps}.safetensors"


def test_a_checkpoint_of_the_best_epoch(tmp_path):
    run = overfitting()
    best = ds.Checkpoint(tmp_path / "best", save_best_only=True)
    history = fit(run, [best], 40, validation_data=VALIDATION)
    at = int(np.argmin(history.validation_loss))
    assert at < 39
    loaded = ds.Trainer.load(tmp_path / "best")
    assert loaded.epoch == at + 1
    loss, _ = loaded.network.loss_and_gradient(*VALIDATION, CASE.loss)
    assert loss == pytest.approx(min(history.validation_loss), rel=1e-12)


@pytest.mark.parametrize("path", ["{nothing}", "{", "{0}", "{epoch.x}", "{epoch:q}"])
def test_a_path_with_other_braces_is_an_error(path):
    with pytest.raises(ValueError, match=r"Checkpoint: path .*\{epoch\} and \{step\}"):
        ds.Checkpoint(path)


def test_a_checkpoint_that_cannot_be_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError, match="never save"):
        ds.Checkpoint("file", every_n_epochs=None)
    run = trainer()
    with pytest.raises(FileNotFoundError, match="absent"):
        fit(run, [ds.Checkpoint(tmp_path / "absent" / "file")])
    assert run.steps == 0
