"""The options of ``descend train`` that shape the training: schedules, penalties, metrics."""

from pathlib import Path

import numpy as np
import pytest

import descend as ds
from command_line import fails, read_csv
from descend.cli import Model
from descend.cli.trainers import SCHEDULES

pytestmark = pytest.mark.usefixtures("no_figures")

EPOCHS, ROWS, BATCH = 6, 126, 16  # rows to train on, of 180
STEPS = EPOCHS * 8

MADE = {
    "none": lambda rate, steps: rate,
    "cosine": lambda rate, steps: ds.schedules.cosine(rate, steps=steps),
    "linear": lambda rate, steps: ds.schedules.linear(rate, steps=steps),
    "step": lambda rate, steps: ds.schedules.step(rate, steps=steps // 3),
    "exponential": lambda rate, steps: ds.schedules.exponential(rate, steps=steps // 3),
    "inverse_scaling": lambda rate, steps: ds.schedules.inverse_scaling(rate),
    "one_cycle": lambda rate, steps: ds.schedules.one_cycle(rate, steps=steps),
}


@pytest.fixture
def data(descend):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(180, 3))
    np.savez("data.npz", X=X, y=(X[:, 0] > X[:, 1]).astype(int))


def trained(descend, *options):
    options = ["--layers", "4", "--epochs", EPOCHS, "--batch-size", BATCH, *options]
    code, out, err = descend("train", "data.npz", *options)
    assert code == 0, err
    assert f"{ROWS} rows to train on" in out
    return read_csv(Path("data-model/history.csv").read_text())


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warm_up", [0, 5])
def test_the_learning_rate_of_each_epoch_is_the_schedules(descend, name, warm_up):
    options = ["--schedule", name, "--optimizer", "sgd", "--learning-rate", 0.5]
    epochs = trained(descend, *options, "--warm-up" if warm_up else "--l2", warm_up)
    made = MADE[name](0.5, STEPS - warm_up)
    if warm_up:
        made = ds.schedules.warm_up(made if name != "none" else ds.schedules.constant(0.5), warm_up)
    trainer = ds.Trainer(
        ds.Network.mlp([3, 4, 2]), "softmax_cross_entropy", ds.SGD(made), batch_size=BATCH
    )
    draw = np.random.default_rng(0)
    X = draw.normal(size=(ROWS, 3))
    expected = trainer.fit(X, (X[:, 0] > 0).astype(int), epochs=EPOCHS).learning_rate
    assert [float(epoch["learning_rate"]) for epoch in epochs] == expected
    if name in ("cosine", "linear"):
        assert expected[-1] < 0.05


@pytest.mark.usefixtures("data")
def test_without_a_learning_rate_the_schedule_begins_at_the_optimizers_own(descend):
    epochs = trained(descend, "--schedule", "step", "--optimizer", "rmsprop")
    rates = [float(epoch["learning_rate"]) for epoch in epochs]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


@pytest.mark.usefixtures("data")
def test_the_history_holds_the_metrics_of_training_and_validation_rows(descend):
    assert list(trained(descend)[0]) == [
        "epoch",
        "loss",
        "validation_loss",
        "accuracy",
        "validation_accuracy",
        "learning_rate",
    ]
    epochs = trained(descend, "--metrics", "f1,roc_auc", "--metrics", "top_1_accuracy")
    names = ["f1", "roc_auc", "top_1_accuracy"]
    assert [name for name in epochs[0] if name in names] == names
    assert all(0 <= float(epoch[f"validation_{name}"]) <= 1 for epoch in epochs for name in names)


@pytest.mark.usefixtures("data")
def test_metrics_leave_the_model_as_it_is(descend):
    models = []
    for metrics in ("accuracy", "r2,mean_squared_error"):
        trained(descend, "--metrics", metrics)
        models.append(Path("data-model/model.safetensors").read_bytes())
    assert models[0] == models[1]


@pytest.mark.usefixtures("data")
def test_a_penalty_makes_the_weights_smaller(descend):
    norms = []
    for penalty in (0, 1):
        trained(descend, "--l2", penalty, "--learning-rate", 0.05)
        parameters = ds.Network.load("data-model/model.safetensors").parameters()
        norms.append(sum((weights**2).sum() for weights, _ in parameters))
    assert norms[1] < 0.5 * norms[0]


@pytest.mark.usefixtures("data")
def test_a_clipped_gradient_is_a_shorter_step(descend):
    moved = []
    for norm in (1e-6, 1e6):
        options = ["--optimizer", "sgd", "--learning-rate", 1, "--clip-norm", norm]
        trained(descend, *options, "--seed", 1)
        scaled = np.load("data.npz")["X"][np.random.default_rng(1).permutation(180)[54:]]
        outputs = ds.Network.load("data-model/model.safetensors").predict(scaled)
        start = ds.Network.mlp([3, 4, 2], seed=1)
        z = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
        moved.append(np.abs(outputs - start.predict(z)).max())
    assert moved[0] < 1e-3 < 0.1 < moved[1]


def test_balanced_classes_count_the_same(descend):
    draw = np.random.default_rng(0)
    y = (draw.random(2000) < 0.05).astype(int)
    X = draw.normal(size=(2000, 2)) + y[:, np.newaxis]
    np.savez("rare.npz", X=X, y=y)
    recalls = []
    for weight in ("none", "balanced"):
        options = ["--class-weight", weight, "--epochs", 20, "--learning-rate", 0.01]
        code, _, err = descend("train", "rare.npz", "--layers", "", *options)
        assert code == 0, err
        answers = Model.load("rare-model").predict("rare.npz")
        recalls.append((answers[y == 1] == "1").mean())
    assert recalls[0] < 0.3 < 0.6 < recalls[1]


def test_smoothed_labels_make_answers_less_sure(descend):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 2))
    np.savez("easy.npz", X=X, y=(X[:, 0] > 0).astype(int))
    surest = []
    for smoothing in (0, 0.4):
        options = ["--label-smoothing", smoothing, "--epochs", 60, "--learning-rate", 0.05]
        code, _, err = descend("train", "easy.npz", "--layers", "", *options)
        assert code == 0, err
        outputs = ds.Network.load("easy-model/model.safetensors").predict(X)
        surest.append((1 / (1 + np.exp(-np.abs(outputs[:, 0] - outputs[:, 1])))).mean())
    assert surest[1] < 0.87 < surest[0]


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_a_schedule_is_resumed_where_it_was(descend, monkeypatch, name):
    from descend.cli import checkpoint

    monkeypatch.setattr(checkpoint, "_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(checkpoint.Saver, "every_n_steps", 1)
    options = ["--schedule", name, "--warm-up", 5, "--metrics", "accuracy,f1"]
    options += ["--clip-norm", 0.1, "--class-weight", "balanced"]
    whole = trained(descend, *options)
    model = Path("data-model/model.safetensors").read_bytes()
    save = checkpoint.Checkpoint.save

    def save_and_interrupt(self, trainer):
        save(self, trainer)
        if trainer.steps == 3 * 8 + 4:  # within the fourth epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoint, "save", save_and_interrupt)
    options += ["--layers", "4", "--epochs", EPOCHS, "--batch-size", BATCH]
    assert descend("train", "data.npz", *options, "--checkpoint", "run.ckpt")[0] == 130
    monkeypatch.setattr(checkpoint.Checkpoint, "save", save)
    Path("data-model/model.safetensors").unlink(missing_ok=True)
    code, out, err = descend("resume", "run.ckpt")
    assert code == 0, err
    assert "after 3 of 6 epochs" in out
    assert Path("data-model/model.safetensors").read_bytes() == model
    assert read_csv(Path("data-model/history.csv").read_text()) == whole


BAD = {
    "schedule": (["--schedule", "cosin"], ["cosin", *SCHEDULES]),
    "warm-up": (["--warm-up", "x"], ["--warm-up", "'x'"]),
    "long warm-up": (["--warm-up", "48", "--schedule", "cosine"], ["--warm-up 48", "48 steps"]),
    "penalty": (["--l2", "-1"], ["l2", "-1"]),
    "clip norm": (["--clip-norm", "0"], ["clip_norm", "0"]),
    "smoothing": (["--label-smoothing", "1"], ["label_smoothing", "[0, 1)", "1"]),
    "class weight": (["--class-weight", "balance"], ["balanced"]),
    "weight of numbers": (["--class-weight", "balanced", "--task", "numbers"], ["--class-weight"]),
    "metric": (["--metrics", "acuracy"], ["acuracy", "accuracy"]),
}


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(("options", "parts"), BAD.values(), ids=BAD)
def test_a_wrong_option_is_exit_code_2(descend, options, parts):
    options = [*options, "--epochs", EPOCHS, "--batch-size", BATCH]
    fails(descend("train", "data.npz", *options), 2, *parts)
