"""A run that is cut off, at a drawn step or by SIGKILL, and resumed is the run never cut off."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.network import Layer
from strategies import Architecture, problem
from tolerances import same_bits

EPOCHS = 6
RECORD = "loss", "validation_loss", "metrics", "validation_metrics", "learning_rate", "steps"


class CutOffError(Exception):
    """Ends a run as a crash does: nothing is tidied up but what the file holds."""


def outcome(run, history):
    """Return everything that a run leads to, seconds aside."""
    state = run.optimizer_state
    averaged = [] if run.average_decay is None else run.averaged_network.parameters()
    return {
        "parameters": run.network.parameters(),
        "averaged": averaged,
        "optimizer": [list(state.vectors), state.step],
        "counters": [run.epoch, run.steps],
        "learning_rate": repr(run.learning_rate),
        "history": [getattr(history, name) for name in RECORD],
        "stop_reason": history.stop_reason,
    }


def assert_same(actual, expected):
    for name, value in expected.items():
        if name in ("parameters", "averaged", "optimizer"):
            assert same_bits(actual[name], value), name
        else:
            assert actual[name] == value, name


OPTIMIZERS = {
    "SGD": lambda rate: ds.SGD(rate, momentum=0.9, nesterov=True),
    "plain SGD": lambda rate: ds.SGD(rate),
    "AdaGrad": lambda rate: ds.AdaGrad(rate),
    "RMSProp": lambda rate: ds.RMSProp(rate, momentum=0.5),
    "Adam": lambda rate: ds.Adam(rate),
    "AdamW": lambda rate: ds.AdamW(rate, weight_decay=0.1),
}
RATES = {
    "constant": 0.02,
    "cosine": ds.schedules.cosine(0.05, steps=40),
    "warm-up": ds.schedules.warm_up(ds.schedules.exponential(0.05, steps=10, factor=0.5), 7),
    "callable": lambda step: 0.05 / step,
    "per epoch": ds.schedules.per_epoch(ds.schedules.step(0.05, steps=2, factor=0.5)),
}
STOPS = {
    "epochs": {},
    "patience": {"patience": 2},
    "changes": {"parameter_change": 0.05, "loss_change": 1e-3},
    "steps": {"max_steps": 17},
    "target": {"target_loss": 0.4},
}


@st.composite
def configurations(draw):
    """Return all that makes up a run, as plain values."""
    return {
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "optimizer": draw(st.sampled_from(sorted(OPTIMIZERS))),
        "rate": draw(st.sampled_from(sorted(RATES))),
        "batch_size": draw(st.sampled_from([3, 16, 33, None])),
        "shuffle": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "stop": draw(st.sampled_from(sorted(STOPS))),
        "settings": draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "l2": st.just(0.01),
                    "clip_norm": st.just(0.5),
                    "clip_value": st.just(0.1),
                    "average_decay": st.just(0.9),
                },
            )
        ),
        "weights": draw(st.booleans()),
        "metrics": draw(st.sampled_from([None, ["r2", "mean_absolute_error"]])),
        "early_stopping": draw(st.booleans()),
        "batches": draw(st.booleans()),
    }


class Run:
    """A run of one configuration, begun or resumed."""

    def __init__(self, configuration):
        self.c = c = configuration
        layers = Layer(8, "tanh", c["dropout"]), Layer(2)
        architecture = Architecture(4, layers, c["dtype"], seed=c["seed"])
        self.case = problem(architecture, "squared_error", 40, seed=3, weights=c["weights"])
        self.validation = problem(architecture, "squared_error", 15, seed=4)

    def trainer(self, threads=1):
        c = self.c
        return ds.Trainer(
            self.case.architecture.network(),
            self.case.loss,
            OPTIMIZERS[c["optimizer"]](RATES[c["rate"]]),
            batch_size=c["batch_size"],
            shuffle=c["shuffle"],
            seed=c["seed"],
            threads=threads,
            **c["settings"],
        )

    def batches(self):
        ends = [0, 7, 20, 21, 40]
        for a, b in pairwise(ends):
            batch = self.case.X[a:b], self.case.y[a:b]
            weights = self.case.sample_weight
            if weights is None or weights[a:b].sum() == 0:
                yield batch
            else:
                yield (*batch, weights[a:b])

    def fit(self, trainer, callbacks=()):
        c = self.c
        callbacks = list(callbacks)
        if c["early_stopping"]:
            callbacks.append(ds.EarlyStopping(patience=2))
        options = {
            "validation_data": (self.validation.X, self.validation.y),
            "metrics": c["metrics"],
            "stop": ds.Stop(**STOPS[c["stop"]]),
            "callbacks": callbacks,
            "epochs": EPOCHS - trainer.epoch,
        }
        if c["batches"]:
            return trainer.fit(self.batches, **options)
        return trainer.fit(
            self.case.X, self.case.y, sample_weight=self.case.sample_weight, **options
        )


@given(configuration=configurations(), data=st.data(), threads=st.sampled_from([1, 2, 3]))
def test_a_run_saved_at_any_step_and_resumed_is_the_run_never_cut_off(
    tmp_path_factory, configuration, data, threads
):
    path = tmp_path_factory.mktemp("resume") / "file"
    run = Run(configuration)
    whole = run.trainer()
    history = run.fit(whole)
    expected = outcome(whole, history)

    at = data.draw(st.integers(1, history.steps), label="saved at step")
    after_epoch = data.draw(st.booleans(), label="or after its epoch")

    class Cut(ds.Checkpoint):
        def on_step_end(self, trainer, report):
            if report.step == at and not after_epoch:
                super().on_step_end(trainer, report)
                raise CutOffError

        def on_epoch_end(self, trainer, report):
            if trainer.steps >= at:
                super().on_epoch_end(trainer, report)
                raise CutOffError

    with pytest.raises(CutOffError):
        run.fit(run.trainer(threads), [Cut(path, every_n_steps=1)])
    again = {"learning_rate": RATES["callable"]} if configuration["rate"] == "callable" else {}
    resumed = ds.Trainer.load(path, threads=data.draw(st.sampled_from([1, 2, 3])), **again)
    assert resumed.steps >= at
    assert_same(outcome(resumed, run.fit(resumed)), expected)


# SIGKILL

PROGRAM = Path(__file__).with_name("resume_run.py")


def train(folder, configuration):
    """Start a process that trains, or resumes, up to the end."""
    arguments = [sys.executable, str(PROGRAM), str(folder), json.dumps(configuration)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(folder):
    return (folder / "outcome.npz").exists()


def result(folder):
    with np.load(folder / "outcome.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


KILLED = {
    "arrays": {"batches": False, "dropout": 0.3, "stop": "patience"},
    "batches": {"batches": True, "dropout": 0.3, "rate": "cosine"},
    "average": {"batches": False, "settings": {"average_decay": 0.9, "clip_norm": 0.5}},
}
PLAIN = {
    "dtype": "float32",
    "dropout": 0.0,
    "optimizer": "Adam",
    "rate": "constant",
    "batch_size": 3,
    "shuffle": True,
    "seed": 7,
    "stop": "epochs",
    "settings": {},
    "weights": False,
    "metrics": None,
    "early_stopping": True,
}


@pytest.mark.slow
@pytest.mark.parametrize("which", KILLED)
def test_a_run_killed_again_and_again_is_the_run_never_killed(which, tmp_path):
    configuration = {**PLAIN, **KILLED[which]}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    process = train(whole, configuration)
    output, _ = process.communicate()
    assert process.returncode == 0, output.decode()

    chance = random.Random(which)
    kills = 0
    while not finished(killed):
        process = train(killed, configuration)
        # It begins to work with a word, and works for a second where it is left alone.
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), output.decode()
        kills += process.returncode != 0
    assert kills >= 2
    ours, expected = result(killed), result(whole)
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert same_bits(ours[name], value), name
    # A write that was cut off leaves no part of a file under the name.
    ds.Trainer.load(killed / "trainer.safetensors")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_kill_while_the_file_is_written_leaves_the_earlier_one(tmp_path):
    """Children that do nothing but write a large file are killed at random moments."""
    path = tmp_path / "file"
    run = ds.Trainer(ds.Network.mlp([256, 512, 256]), "squared_error", threads=1)
    run.save(path)
    whole = path.read_bytes()
    chance = random.Random(0)
    for _ in range(12):
        child = os.fork()
        if child == 0:
            while True:
                run.save(path)
        time.sleep(chance.uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert path.read_bytes() == whole
    # A save of the next process tidies up what those that were killed have left.
    run.save(path)
    if hasattr(os, "O_TMPFILE"):
        assert os.listdir(tmp_path) == ["file"]
