"""The penalty on the weights in the loss: l2, l1, and what it is divided by."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import descend as ds
from reference.optimizers import OPTIMIZERS, SMOOTH
from strategies import batch_sizes, mlp, optimizers, problem, problems, trainer_pair
from tolerances import assert_close, assert_layers_close, same_bits

PENALTIES = st.sampled_from([0.0, 1e-3, 0.1])


@given(
    st.data(), problems(st.just("float64")), optimizers(SMOOTH), PENALTIES, PENALTIES, st.booleans()
)
def test_penalised_epochs_follow_the_reference(data, case, optimizer, l2, l1, divide):
    batch_size = data.draw(batch_sizes(case.rows))
    trainer, twin = trainer_pair(
        case, *optimizer, batch_size=batch_size, l2=l2, l1=l1, divide_penalty=divide
    )
    with np.errstate(over="ignore", invalid="ignore"):
        expected = [twin.run_epoch(case.X, case.y, None, case.sample_weight) for _ in range(3)]
    assume(all(loss < 10 * expected[0] for loss in expected))
    losses = [trainer.run_epoch(case.X, case.y, None, case.sample_weight) for _ in range(3)]
    assert_close(losses, expected, 1e-8, "losses")
    assert_layers_close(trainer.network.parameters(), twin.network.parameters, 1e-8, "trajectory")


@pytest.mark.parametrize("batch_size", [None, 1500])
def test_batches_of_many_rows_are_penalised_too(batch_size):
    case = problem(mlp(70, 70, 4), "squared_error", 3100, seed=1, weights=True)
    options = {"batch_size": batch_size, "l2": 0.3, "l1": 0.01, "divide_penalty": True}
    trainer, twin = trainer_pair(case, ds.Adam(), OPTIMIZERS["Adam"](), **options)
    for _ in range(3):
        loss = trainer.run_epoch(case.X, case.y, sample_weight=case.sample_weight)
        expected = twin.run_epoch(case.X, case.y, sample_weight=case.sample_weight)
        assert_close(loss, expected, 1e-8, "loss")
    assert_layers_close(trainer.network.parameters(), twin.network.parameters, 1e-8, "trajectory")


def trainer_of(case, **options):
    network = case.architecture.network()
    return ds.Trainer(network, loss=case.loss, optimizer=ds.SGD(0.1), batch_size=None, **options)


CASE = problem(mlp(4, 9, 2), "squared_error", 50, seed=8)


def weights_norms(network):
    weights = [w for w, _ in network.parameters()]
    return sum((w**2).sum() for w in weights), sum(np.abs(w).sum() for w in weights)


def test_the_loss_is_j_plus_the_penalty():
    trainer = trainer_of(CASE, l2=0.4, l1=0.03)
    j, _ = trainer.network.loss_and_gradient(CASE.X, CASE.y, CASE.loss)
    squares, magnitudes = weights_norms(trainer.network)
    penalty = 0.2 * squares + 0.03 * magnitudes
    assert_close(trainer.run_epoch(CASE.X, CASE.y), j + penalty, 1e-14)
    assert_close(trainer.last_steps, [[j, penalty, 50]], 1e-14)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 7.0, 1e300])
def test_a_divided_penalty_is_divided_by_the_weights_as_they_are_given(scale):
    sample_weight = scale * np.random.default_rng(0).random(50)
    trainer = trainer_of(CASE, l2=0.4, divide_penalty=True)
    squares, _ = weights_norms(trainer.network)
    trainer.run_epoch(CASE.X, CASE.y, sample_weight=sample_weight)
    ((_, penalty, weight),) = trainer.last_steps
    assert_close(weight, sample_weight.sum(), 1e-14)
    assert_close(penalty, 0.2 * squares / sample_weight.sum(), 1e-13)


def test_a_penalty_shrinks_weights_and_leaves_biases():
    case = problem(mlp(6, 3), "squared_error", 20, seed=3)
    trainer = trainer_of(case, l2=0.5, l1=0.2)
    plain = trainer_of(case)
    for each in (trainer, plain):
        each.step(case.X, case.y)
    (w, b), (plain_w, plain_b) = trainer.network.parameters()[0], plain.network.parameters()[0]
    before = case.architecture.network().parameters()[0][0]
    assert same_bits(b, plain_b)
    assert_close(plain_w - w, 0.1 * (0.5 * before + 0.2 * np.sign(before)), 1e-13)


def test_the_validation_loss_is_without_the_penalty():
    trainer = trainer_of(CASE, l2=0.4)
    history = trainer.fit(CASE.X, CASE.y, validation_data=(CASE.X, CASE.y))
    j, _ = trainer.network.loss_and_gradient(CASE.X, CASE.y, CASE.loss)
    assert history.validation_loss == [j]


def test_an_infinite_penalty_ends_the_run_before_its_step():
    trainer = trainer_of(CASE, l2=1.0)
    enormous = [(np.full_like(w, 1e160), b) for w, b in trainer.network.parameters()]
    trainer.network.set_parameters(enormous)
    with pytest.raises(FloatingPointError, match=r"the loss of step 1 .* is inf"):
        trainer.step(np.zeros_like(CASE.X), CASE.y)
    assert same_bits(trainer.network.parameters(), enormous)


@pytest.mark.parametrize("name", ["l2", "l1"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e39])
def test_a_penalty_out_of_range_is_an_error(name, value):
    with pytest.raises(ValueError, match=f"Trainer: {name} must be at least 0"):
        trainer_of(CASE, **{name: value})


def test_settings_can_be_read_back():
    trainer = trainer_of(CASE, l2=0.5, l1=0.25, divide_penalty=True)
    assert (trainer.l2, trainer.l1, trainer.divide_penalty) == (0.5, 0.25, True)
