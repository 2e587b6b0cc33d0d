"""Stopping conditions: each ends the run at the step that its formula says, with its reason."""

import numpy as np
import pytest

import descend as ds
from reference.optimizers import OPTIMIZERS
from reference.trainer import Trainer
from strategies import mlp, problem
from tolerances import assert_close, same_bits

CASE = problem(mlp(5, 8, 2), "squared_error", 40, seed=3)
VALIDATION = problem(mlp(5, 8, 2), "squared_error", 20, seed=4)
LEARNING_RATE = 0.1


def trainer(batch_size=None, **options):
    options = {"optimizer": ds.SGD(learning_rate=LEARNING_RATE), **options}
    return ds.Trainer(CASE.architecture.network(), loss=CASE.loss, batch_size=batch_size, **options)


def fit(run, epochs=1000, **stop):
    return run.fit(CASE.X, CASE.y, epochs=epochs, stop=ds.Stop(**stop))


def flat(parameters):
    return np.concatenate([part.ravel() for pair in parameters for part in pair])


@pytest.fixture(scope="module")
def trajectory():
    """Losses and parameter changes of 300 epochs of batch gradient descent in the reference."""
    twin = CASE.architecture.reference(CASE.architecture.network().parameters())
    run = Trainer(twin, CASE.loss, OPTIMIZERS["SGD"](learning_rate=LEARNING_RATE), None)
    losses, changes = [], []
    for _ in range(300):
        before = flat(twin.parameters)
        losses.append(run.run_epoch(CASE.X, CASE.y))
        changes.append(np.linalg.norm(flat(twin.parameters) - before))
    return np.array(losses), np.array(changes)


def test_all_epochs_done_is_the_reason_epochs():
    run = trainer(batch_size=16)
    history = fit(run, epochs=3)
    assert history.stop_reason == "epochs"
    assert (run.epoch, run.steps, history.steps, len(history.loss)) == (3, 9, 9, 3)


@pytest.mark.parametrize("max_steps", [1, 2, 3, 4, 7, 100])
def test_max_steps_ends_the_run_inside_an_epoch(max_steps):
    run = trainer(batch_size=16)
    history = fit(run, max_steps=max_steps)
    assert history.stop_reason == "max_steps"
    assert history.steps == run.steps == max_steps
    # Three steps make an epoch; one begun counts.
    assert run.epoch == len(history.loss) == -(-max_steps // 3)


def test_max_steps_counts_the_steps_of_this_run():
    run = trainer(batch_size=16)
    fit(run, epochs=5)
    assert fit(run, max_steps=2).steps == 2
    assert run.steps == 17


def test_max_steps_keeps_the_parameters_of_its_step():
    stopped, stepped = trainer(batch_size=1, shuffle=False), trainer()
    fit(stopped, max_steps=5)
    for row in range(5):
        stepped.step(CASE.X[row : row + 1], CASE.y[row : row + 1])
    assert same_bits(stopped.network.parameters(), stepped.network.parameters())


def test_the_loss_of_a_cut_epoch_is_the_mean_over_the_rows_visited():
    cut, stepped = trainer(batch_size=10, shuffle=False), trainer()
    losses = [stepped.step(CASE.X[r : r + 10], CASE.y[r : r + 10]) for r in (0, 10)]
    assert_close(fit(cut, max_steps=2).loss, [np.mean(losses)], 1e-14)


@pytest.mark.parametrize("at", [2, 10, 100])
def test_parameter_change_below_the_threshold_ends_the_run(trajectory, at):
    _, changes = trajectory
    threshold = 0.5 * (changes[at - 1] + changes[at])
    first_below = int(np.argmax(changes < threshold))
    run = trainer()
    history = fit(run, parameter_change=threshold)
    assert history.stop_reason == "parameter_change"
    assert run.steps == first_below + 1


@pytest.mark.parametrize("at", [2, 10, 100])
def test_loss_change_below_the_threshold_ends_the_run(trajectory, at):
    changes = np.abs(np.diff(trajectory[0]))
    threshold = 0.5 * (changes[at - 1] + changes[at])
    first_below = int(np.argmax(changes < threshold))
    history = fit(trainer(), loss_change=threshold)
    assert history.stop_reason == "loss_change"
    assert len(history.loss) == first_below + 2


@pytest.mark.parametrize("at", [0, 10, 100])
def test_target_loss_reached_ends_the_run(trajectory, at):
    losses, _ = trajectory
    target = losses[at] * (1 + 1e-6)
    history = fit(trainer(), target_loss=target)
    assert history.stop_reason == "target_loss"
    assert len(history.loss) == at + 1
    assert history.loss[-1] <= target


def test_changes_are_taken_from_epoch_to_epoch_with_minibatches():
    run = trainer(batch_size=8)
    losses = run.fit(CASE.X, CASE.y, epochs=60).loss
    changes = np.abs(np.diff(losses))
    threshold = float(np.median(changes))
    history = fit(trainer(batch_size=8), loss_change=threshold)
    assert len(history.loss) == int(np.argmax(changes < threshold)) + 2


def test_seconds_end_the_run():
    history = fit(trainer(batch_size=1), epochs=10**9, seconds=0.2)
    assert history.stop_reason == "seconds"
    assert 0.2 <= history.seconds < 2.0


def noisy_fit(patience, epochs=500, **stop):
    """Overfit a few rows at a high learning rate, so that validation turns soon."""
    run = trainer(batch_size=4, optimizer=ds.Adam(learning_rate=0.05))
    history = run.fit(
        CASE.X,
        CASE.y,
        epochs=epochs,
        validation_data=(VALIDATION.X, VALIDATION.y),
        stop=ds.Stop(patience=patience, **stop),
    )
    return run, history


def validation_loss(run):
    return run.network.loss_and_gradient(VALIDATION.X, VALIDATION.y, VALIDATION.loss)[0]


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_patience_ends_the_run_so_many_epochs_after_the_best(patience):
    run, history = noisy_fit(patience)
    assert history.stop_reason == "patience"
    best = int(np.argmin(history.validation_loss))
    assert len(history.validation_loss) == best + 1 + patience
    assert run.epoch == best + 1 + patience


def test_patience_restores_the_best_parameters():
    run, history = noisy_fit(5)
    best = int(np.argmin(history.validation_loss))
    assert validation_loss(run) == min(history.validation_loss)
    replay, _ = noisy_fit(10**6, epochs=best + 1)
    assert same_bits(run.network.parameters(), replay.network.parameters())


@pytest.mark.parametrize("ended_by", [{"epochs": 20}, {"max_steps": 195}])
def test_patience_restores_the_best_parameters_whatever_ends_the_run(ended_by):
    run, history = noisy_fit(10**6, **ended_by)
    assert history.stop_reason in ended_by
    assert int(np.argmin(history.validation_loss)) < len(history.validation_loss) - 1
    assert validation_loss(run) == min(history.validation_loss)


def test_without_patience_the_last_parameters_stay():
    run = trainer(batch_size=4, optimizer=ds.Adam(learning_rate=0.05))
    history = run.fit(CASE.X, CASE.y, epochs=20, validation_data=(VALIDATION.X, VALIDATION.y))
    assert validation_loss(run) == history.validation_loss[-1]
    assert history.validation_loss[-1] > min(history.validation_loss)


def test_patience_needs_validation_data():
    with pytest.raises(ValueError, match=r"Trainer.fit: .*validation"):
        fit(trainer(), patience=3)


def test_conditions_that_never_hold_change_nothing():
    plain, watched = trainer(batch_size=8), trainer(batch_size=8)
    losses = fit(plain, epochs=5).loss
    history = fit(
        watched,
        epochs=5,
        max_steps=10**9,
        parameter_change=1e-300,
        loss_change=1e-300,
        target_loss=-1.0,
        seconds=1e6,
    )
    assert history.stop_reason == "epochs"
    assert history.loss == losses
    assert same_bits(plain.network.parameters(), watched.network.parameters())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_steps", 0),
        ("max_steps", -1),
        ("parameter_change", -1.0),
        ("parameter_change", float("nan")),
        ("loss_change", -1.0),
        ("loss_change", float("nan")),
        ("target_loss", float("nan")),
        ("seconds", -1.0),
        ("seconds", float("nan")),
        ("patience", 0),
        ("patience", -3),
    ],
)
def test_a_condition_out_of_range_is_an_error(field, value):
    run = trainer()
    before = run.network.parameters()
    with pytest.raises(ValueError, match=field):
        run.fit(
            CASE.X,
            CASE.y,
            epochs=2,
            validation_data=(VALIDATION.X, VALIDATION.y),
            stop=ds.Stop(**{field: value}),
        )
    assert (run.epoch, run.steps) == (0, 0)
    assert same_bits(run.network.parameters(), before)


@pytest.mark.parametrize("epochs", [0, -1])
def test_epochs_below_one_are_an_error(epochs):
    with pytest.raises(ValueError, match=r"Trainer.fit: .*epochs"):
        fit(trainer(), epochs=epochs)
