"""Row weights: J = sum_i w_i L_i / sum_i w_i, wherever rows are given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from strategies import mlp, optimizers, problem, problems
from tolerances import assert_close, assert_layers_close, same_bits, tolerance


@given(problems(), st.integers(0, 2**32 - 1))
def test_integer_weights_equal_repeated_rows(case, seed):
    network = case.architecture.network()
    counts = np.random.default_rng(seed).integers(0, 4, case.rows)
    counts[0] += 1
    X, y = (np.repeat(a, counts, axis=0) for a in (case.X, case.y))
    loss, gradient = network.loss_and_gradient(case.X, case.y, case.loss, sample_weight=counts)
    repeated_loss, repeated_gradient = network.loss_and_gradient(X, y, case.loss)
    rtol = tolerance(case.architecture.dtype, *case.sums, len(X))
    assert_close(loss, repeated_loss, rtol, "loss")
    assert_layers_close(gradient, repeated_gradient, rtol, "gradient")


@given(problems(), st.sampled_from([0.25, 1.0, 8.0]))
def test_equal_weights_are_as_no_weights(case, weight):
    network = case.architecture.network()
    weights = np.full(case.rows, weight)
    loss, gradient = network.loss_and_gradient(case.X, case.y, case.loss, weights)
    plain_loss, plain_gradient = network.loss_and_gradient(case.X, case.y, case.loss)
    rtol = tolerance(case.architecture.dtype, *case.sums)
    assert_close(loss, plain_loss, rtol)
    assert_layers_close(gradient, plain_gradient, rtol, "gradient")


CASE = problem(mlp(4, 6, 2), "squared_error", 24, seed=1)


def trainer(optimizer=None, **options):
    return ds.Trainer(
        CASE.architecture.network(), loss=CASE.loss, optimizer=optimizer or ds.Adam(), **options
    )


@given(optimizers())
def test_a_minibatch_of_weight_zero_is_passed_over(optimizer):
    weights = np.ones(24)
    weights[8:16] = 0
    weighted, shorter = (trainer(optimizer[0], batch_size=8) for _ in range(2))
    kept = [*range(8), *range(16, 24)]
    for _ in range(2):
        loss = weighted.run_epoch(CASE.X, CASE.y, order=range(24), sample_weight=weights)
        assert loss == shorter.run_epoch(CASE.X, CASE.y, order=kept, sample_weight=weights)
    assert (weighted.epoch, weighted.steps) == (2, 4)
    assert same_bits(weighted.network.parameters(), shorter.network.parameters())


def test_a_step_weighs_its_rows():
    weights = np.array([0.0, 1.0, 3.0])
    weighted, repeated = trainer(), trainer()
    rows = [1, 2, 2, 2]
    loss = weighted.step(CASE.X[:3], CASE.y[:3], sample_weight=weights)
    assert_close(loss, repeated.step(CASE.X[rows], CASE.y[rows]), 1e-14)
    assert_layers_close(
        weighted.network.parameters(), repeated.network.parameters(), 1e-9, "parameters"
    )


def test_fit_and_run_epoch_weigh_alike():
    weights = np.random.default_rng(0).random(24)
    fitted, run = trainer(batch_size=5), trainer(batch_size=5)
    history = fitted.fit(CASE.X, CASE.y, epochs=2, sample_weight=weights)
    assert history.loss == [run.run_epoch(CASE.X, CASE.y, sample_weight=weights) for _ in range(2)]
    assert same_bits(fitted.network.parameters(), run.network.parameters())


def test_the_mean_loss_of_an_epoch_weighs_rows_not_batches():
    weights = np.random.default_rng(0).random(24)
    # A learning rate that changes nothing visible leaves J of all rows.
    run = trainer(ds.SGD(learning_rate=1e-300), batch_size=5)
    loss = run.run_epoch(CASE.X, CASE.y, sample_weight=weights)
    expected, _ = run.network.loss_and_gradient(CASE.X, CASE.y, CASE.loss, weights)
    assert_close(loss, expected, 1e-13)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "uint64", "bool", ">f4"])
def test_weights_are_any_real_array(kind):
    weights = np.array([1, 0] * 12)
    network = CASE.architecture.network()
    expected, _ = network.loss_and_gradient(CASE.X, CASE.y, CASE.loss, weights)
    assert network.loss_and_gradient(CASE.X, CASE.y, CASE.loss, weights.astype(kind))[0] == expected


@pytest.mark.parametrize("scale", [2.0**-1060, 1e-310, 2.0**-30, 3.0, 1e307])
def test_the_scale_of_the_weights_does_not_matter(scale):
    rng = np.random.default_rng(0)
    X, y, weights = rng.normal(size=(40, 3)), rng.normal(size=40), rng.uniform(1, 2, 40)
    results = []
    for scaled in (weights, weights * scale):
        network = ds.Network.mlp([3, 5, 1], dtype="float64")
        run = ds.Trainer(network, loss="squared_error", batch_size=16)
        history = run.fit(X, y, epochs=3, sample_weight=scaled)
        loss, _ = network.loss_and_gradient(X, y, "squared_error", sample_weight=scaled)
        results.append([*history.loss, loss])
    # The least of these weights are subnormal, and have few bits.
    assert results[1] == pytest.approx(results[0], rel=1e-9 if scale > 1e-300 else 1e-2)
