"""Subnormal numbers count as zero while the core works, in every thread, and nowhere else."""

import numpy as np
import pytest

import descend as ds
from strategies import mlp, problem
from tolerances import same_bits

DTYPES = ["float32", "float64"]


def tiny_case(dtype, rows=300):
    """Inputs, targets and weights whose products are about the smallest normal number."""
    case = problem(mlp(40, 130, 20, 3, dtype=dtype), "squared_error", rows, seed=1)
    scale = np.sqrt(np.finfo(dtype).tiny)
    parameters = [(w * scale, b) for w, b in case.architecture.network().parameters()]
    return case, scale, parameters


def trained(dtype, threads, optimizer, batch_size):
    case, scale, parameters = tiny_case(dtype)
    network = case.architecture.network()
    network.set_parameters(parameters)
    options = {"optimizer": optimizer, "batch_size": batch_size, "threads": threads}
    run = ds.Trainer(network, case.loss, **options)
    X, y = case.X * scale, case.y * scale
    losses = run.fit(X, y, epochs=3).loss
    _, gradient = network.loss_and_gradient(X, y, case.loss, threads=threads)
    return losses, network.parameters(), gradient, network.predict(X, threads=threads)


@pytest.mark.parametrize("batch_size", [64, None])
@pytest.mark.parametrize("optimizer", [ds.SGD(0.1, momentum=0.9), ds.Adam(1e-10)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_run_full_of_subnormals_gives_the_same_bits_for_any_number_of_threads(
    dtype, optimizer, batch_size
):
    expected = trained(dtype, 1, optimizer, batch_size)
    for threads in (2, 3):
        assert same_bits(trained(dtype, threads, optimizer, batch_size), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_below_the_normal_numbers_are_zero(dtype):
    case, scale, parameters = tiny_case(dtype)
    network = case.architecture.network()
    network.set_parameters(parameters)
    for threads in (1, 2):
        outputs = network.predict(case.X * scale, threads=threads)
        assert (outputs == 0).all()


def callers_subnormals_survive():
    """Whether this thread still computes with subnormal numbers."""
    halves = [np.full(100, np.finfo(dtype).tiny) / dtype(2) for dtype in (np.float32, np.float64)]
    return all((half > 0).all() for half in halves) and 2.0**-1074 * 1.0 > 0


CASE = problem(mlp(4, 5, 2, dtype="float32"), "squared_error", 64)
ONES = np.ones((3, 2), "float32")


def overflowing_step():
    run = ds.Trainer(CASE.architecture.network(), CASE.loss, ds.SGD(1e38))
    with pytest.raises(FloatingPointError):
        run.step(CASE.X, 1e30 * CASE.y)


CALLS = {
    "fit": lambda network, run: run.fit(CASE.X, CASE.y),
    "run_epoch": lambda network, run: run.run_epoch(CASE.X, CASE.y),
    "step": lambda network, run: run.step(CASE.X, CASE.y),
    "a step that overflows": lambda network, run: overflowing_step(),
    "predict": lambda network, run: network.predict(CASE.X, threads=2),
    "predict of one row": lambda network, run: network.predict(CASE.X[:1]),
    "loss_and_gradient": lambda network, run: network.loss_and_gradient(CASE.X, CASE.y, CASE.loss),
    "update": lambda network, run: ds.Adam().update(ONES.copy(), ONES, ds.Adam().init(ONES)),
    "dense_forward": lambda network, run: ds.ops.dense_forward(ONES, ONES.T, np.ones(3)),
    "dense_backward": lambda network, run: ds.ops.dense_backward(
        ONES[:, :1], ONES, ONES[:2, :1], ONES[:, :1], "tanh"
    ),
    "ops.loss": lambda network, run: ds.ops.loss("squared_error", ONES, ONES),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", CALLS)
def test_the_callers_subnormals_survive(call, threads):
    network = CASE.architecture.network()
    run = ds.Trainer(network, CASE.loss, batch_size=16, threads=threads)
    CALLS[call](network, run)
    assert callers_subnormals_survive()
