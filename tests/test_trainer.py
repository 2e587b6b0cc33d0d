"""Trainer: steps, epochs and the parameters they lead to, against the reference."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import descend as ds
from reference.losses import LOSSES
from reference.network import Layer
from reference.optimizers import OPTIMIZERS, SMOOTH
from strategies import (
    SEEDS,
    Architecture,
    batch_sizes,
    mlp,
    optimizers,
    problem,
    problems,
    trainer_pair,
)
from tolerances import assert_close, assert_layers_close, same_bits, tolerance

# What the project promises over dozens of steps.
PROMISED = 1e-8


def assert_same_parameters(trainer, twin, rtol):
    assert_layers_close(trainer.network.parameters(), twin.network.parameters, rtol, "trajectory")


def expected_losses(times, visit, *data):
    """Return the reference's losses; a drawn run that diverges is passed over.

    Divergence multiplies every rounding error without bound.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        losses = [visit(*data) for _ in range(times)]
    assume(all(loss < 10 * losses[0] for loss in losses))
    return losses


@given(
    st.data(), problems(st.just("float64"), dropout=True), optimizers(SMOOTH), SEEDS, st.booleans()
)
def test_epochs_follow_the_reference(data, case, optimizer, seed, shuffle):
    trainer, twin = trainer_pair(
        case, *optimizer, batch_size=data.draw(batch_sizes(case.rows)), seed=seed, shuffle=shuffle
    )
    expected = expected_losses(3, twin.run_epoch, case.X, case.y, None, case.sample_weight)
    losses = [trainer.run_epoch(case.X, case.y, None, case.sample_weight) for _ in range(3)]
    assert_close(losses, expected, PROMISED, "losses")
    assert_same_parameters(trainer, twin, PROMISED)
    assert (trainer.epoch, trainer.steps) == (twin.epoch, twin.steps)


@given(problems(st.just("float32"), dropout=True), optimizers(["SGD"]), SEEDS)
def test_float32_epochs_follow_the_reference(case, optimizer, seed):
    trainer, twin = trainer_pair(case, *optimizer, batch_size=8, seed=seed)
    expected_losses(2, twin.run_epoch, case.X, case.y, None, case.sample_weight)
    trainer.fit(case.X, case.y, epochs=2, sample_weight=case.sample_weight)
    assert_same_parameters(trainer, twin, 4 * tolerance("float32", *case.sums))


@given(problems(st.just("float64"), dropout=True), optimizers(SMOOTH), SEEDS)
def test_single_steps_follow_the_reference(case, optimizer, seed):
    trainer, twin = trainer_pair(case, *optimizer, seed=seed)
    expected = expected_losses(5, twin.step, case.X, case.y, case.sample_weight)
    losses = [trainer.step(case.X, case.y, case.sample_weight) for _ in range(5)]
    assert_close(losses, expected, PROMISED, "losses")
    assert_same_parameters(trainer, twin, PROMISED)
    assert (trainer.epoch, trainer.steps) == (0, 5)


@pytest.mark.parametrize("batch_size", [16, 50, None])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_follows_the_reference_over_dozens_of_steps(name, batch_size):
    case = problem(mlp(10, 20, 17, 3), "softmax_cross_entropy", 203, seed=5, as_labels=True)
    trainer, twin = trainer_pair(
        case, getattr(ds, name)(), OPTIMIZERS[name](), batch_size=batch_size
    )
    rng = np.random.default_rng(6)
    while twin.steps < 48:
        order = rng.permutation(case.rows)
        trainer.run_epoch(case.X, case.y, order=order)
        twin.run_epoch(case.X, case.y, order=order)
    assert trainer.steps == twin.steps
    assert_same_parameters(trainer, twin, PROMISED)


@pytest.mark.parametrize("batch_size", [None, 1500])
def test_batches_of_many_rows_follow_the_reference(batch_size):
    layers = Layer(33, "tanh", 0.2), Layer(4)
    architecture = Architecture(7, layers, seed=2, input_dropout=0.1)
    case = problem(architecture, "squared_error", 3100, seed=1, weights=True)
    trainer, twin = trainer_pair(
        case, ds.Adam(), OPTIMIZERS["Adam"](), batch_size=batch_size, seed=4
    )
    for _ in range(3):
        loss = trainer.run_epoch(case.X, case.y, sample_weight=case.sample_weight)
        expected = twin.run_epoch(case.X, case.y, sample_weight=case.sample_weight)
        assert_close(loss, expected, PROMISED, "loss")
    assert_same_parameters(trainer, twin, PROMISED)


@pytest.mark.parametrize("loss", LOSSES)
def test_training_lowers_every_loss(loss):
    case = problem(mlp(6, 16, 3, dtype="float32"), loss, 60, seed=1)
    network = case.architecture.network()
    history = ds.Trainer(network, loss=loss, batch_size=16, seed=0).fit(case.X, case.y, epochs=30)
    assert history.loss[-1] < 0.95 * history.loss[0]


def regression(rows=50, dtype="float64"):
    return problem(mlp(4, 9, 2, dtype=dtype), "squared_error", rows, seed=8)


def trainer_of(case, **options):
    options = {"optimizer": ds.Adam(learning_rate=0.01), "batch_size": 16, "seed": 3, **options}
    return ds.Trainer(case.architecture.network(), loss=case.loss, **options)


def test_fit_is_run_epoch_repeated():
    case = regression()
    fitted, stepped = trainer_of(case), trainer_of(case)
    history = fitted.fit(case.X, case.y, epochs=4)
    losses = [stepped.run_epoch(case.X, case.y) for _ in range(4)]
    assert history.loss == losses
    assert same_bits(fitted.network.parameters(), stepped.network.parameters())


def test_fit_goes_on_where_the_last_fit_ended():
    case = regression()
    once, twice = trainer_of(case), trainer_of(case)
    whole = once.fit(case.X, case.y, epochs=5)
    first, second = (twice.fit(case.X, case.y, epochs=epochs) for epochs in (2, 3))
    assert first.loss + second.loss == whole.loss
    assert first.steps + second.steps == whole.steps == twice.steps
    assert same_bits(once.network.parameters(), twice.network.parameters())


def test_the_last_short_batch_is_used_and_weighted_by_its_size():
    case = regression(rows=7)
    trainer = trainer_of(case, batch_size=4, shuffle=False, optimizer=ds.SGD(learning_rate=0.1))
    by_hand = trainer_of(case, optimizer=ds.SGD(learning_rate=0.1))
    loss = trainer.run_epoch(case.X, case.y)
    parts = [by_hand.step(case.X[rows], case.y[rows]) for rows in (slice(4), slice(4, 7))]
    assert trainer.steps == 2
    assert_close(loss, (4 * parts[0] + 3 * parts[1]) / 7, 1e-14)
    assert same_bits(trainer.network.parameters(), by_hand.network.parameters())


@pytest.mark.parametrize("batch_size", [None, 50, 51, 10**12])
def test_a_batch_of_all_rows_is_one_step_an_epoch(batch_size):
    case = regression(rows=50)
    trainer = trainer_of(case, batch_size=batch_size, shuffle=False)
    expected = trainer_of(case, batch_size=None, shuffle=False)
    losses = [trainer.run_epoch(case.X, case.y) for _ in range(3)]
    assert losses == [expected.run_epoch(case.X, case.y) for _ in range(3)]
    assert (trainer.epoch, trainer.steps) == (3, 3)
    assert same_bits(trainer.network.parameters(), expected.network.parameters())


def test_step_returns_the_loss_before_the_update():
    case = regression()
    trainer = trainer_of(case)
    before, _ = trainer.network.loss_and_gradient(case.X, case.y, case.loss)
    assert trainer.step(case.X, case.y) == before
    assert trainer.network.loss_and_gradient(case.X, case.y, case.loss)[0] < before


@pytest.mark.parametrize("order", [[3], [0, 0, 0, 1], list(range(49, -1, -3)), list(range(50)) * 2])
def test_an_order_visits_the_rows_that_it_names(order):
    case = regression()
    trainer, twin = trainer_pair(
        case, ds.SGD(learning_rate=0.1), OPTIMIZERS["SGD"](learning_rate=0.1), batch_size=4
    )
    loss = trainer.run_epoch(case.X, case.y, order=order)
    assert_close(loss, twin.run_epoch(case.X, case.y, order=order), 1e-12)
    assert_same_parameters(trainer, twin, 1e-12)


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.array,
        lambda o: np.array(o, "int32"),
        lambda o: np.array(o, ">u2"),
        lambda o: np.array(o)[::-1][::-1],
    ],
)
def test_an_order_is_any_sequence_of_integers(kind):
    case = regression()
    order = np.random.default_rng(0).permutation(50)
    trainer, expected = trainer_of(case), trainer_of(case)
    assert trainer.run_epoch(case.X, case.y, order=kind(order.tolist())) == expected.run_epoch(
        case.X, case.y, order=order
    )


def test_the_trainer_trains_the_network_it_was_given():
    case = regression()
    network = case.architecture.network()
    trainer = ds.Trainer(network, loss=case.loss)
    before = network.predict(case.X)
    trainer.run_epoch(case.X, case.y)
    assert trainer.network is network
    assert not np.array_equal(network.predict(case.X), before)


def test_setting_parameters_between_epochs_is_seen_by_the_trainer():
    case = regression()
    trainer = trainer_of(case, optimizer=ds.SGD())
    fresh = trainer.network.parameters()
    first = trainer.run_epoch(case.X, case.y, order=range(50))
    trainer.network.set_parameters(fresh)
    assert trainer.run_epoch(case.X, case.y, order=range(50)) == first


def test_the_trainer_keeps_the_network_alive():
    case = regression()
    trainer = ds.Trainer(case.architecture.network(), loss=case.loss)
    assert np.isfinite(trainer.run_epoch(case.X, case.y))


def test_threads_and_seed_are_taken_and_told():
    case = regression()
    trainer = trainer_of(case, threads=2, batch_size=None, shuffle=False)
    assert (trainer.batch_size, trainer.shuffle, trainer.seed) == (None, False, 3)
    assert (trainer.epoch, trainer.steps) == (0, 0)
    assert trainer.optimizer == ds.Adam(learning_rate=0.01)
    assert trainer.loss == "squared_error"


def test_training_data_is_not_modified():
    case = regression(dtype="float32")
    X, y = case.X.copy(), case.y.copy()
    X.flags.writeable = y.flags.writeable = False
    trainer_of(case).fit(X, y, epochs=2)
    assert same_bits([X, y], [case.X, case.y])


@pytest.mark.parametrize("activation", ds.activations())
@pytest.mark.parametrize("hostile", [np.nan, np.inf, -np.inf])
def test_inputs_not_checked_before_the_epoch_are_refused_at_their_step(activation, hostile):
    X, y = np.ones((40, 4)), np.zeros(40, dtype=int)
    trainer = ds.Trainer(
        ds.Network.mlp([4, 8, 3], activation=activation),
        "softmax_cross_entropy",
        batch_size=8,
        shuffle=False,
        clip_value=0.1,
    )
    assert trainer.run_epoch(X, y, check_finite=False) > 0
    X[20, 2] = hostile
    with pytest.raises(ValueError, match="X"):
        trainer.run_epoch(X, y)
    assert trainer.steps == 5
    with pytest.raises(FloatingPointError, match="step 8"):
        trainer.run_epoch(X, y, check_finite=False)
    assert trainer.steps == 7
    assert all(np.isfinite(part).all() for pair in trainer.network.parameters() for part in pair)
