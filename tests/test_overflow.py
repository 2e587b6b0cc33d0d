"""A loss or an update that overflows stops the run at its step, with the last finite parameters.

The step's update is not applied: parameters, optimizer state and counters are those of the step
before, to the bit, whatever the optimizer, its learning rate and the number of threads.
"""

import re
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from strategies import batch_sizes, mlp, problem, problems
from tolerances import same_bits

LARGEST = float(np.finfo("float32").max)
RATES = [1e3, 1e10, 1e20, 1e30, LARGEST]
OPTIMIZERS = [
    lambda rate: ds.SGD(rate),
    lambda rate: ds.SGD(rate, momentum=0.9),
    lambda rate: ds.SGD(rate, momentum=0.5, nesterov=True),
    lambda rate: ds.SGD(rate, weight_decay=1.0),
    lambda rate: ds.SGD(1e-3, weight_decay=rate),
    lambda rate: ds.AdaGrad(rate),
    lambda rate: ds.AdaGrad(1.0, epsilon=1 / rate),
    lambda rate: ds.RMSProp(rate),
    lambda rate: ds.RMSProp(rate, rho=0.0, momentum=0.9),
    lambda rate: ds.Adam(rate),
    lambda rate: ds.Adam(rate, beta1=0.0, beta2=0.0),
    lambda rate: ds.Adam(1.0, beta1=1 - 1e-16, epsilon=1 / rate),
    lambda rate: ds.AdamW(rate, weight_decay=1e10),
    lambda rate: ds.AdaDelta(rate),
    lambda rate: ds.AdaDelta(1.0, rho=1 - 1e-16, epsilon=min(rate, 1e30)),
    lambda rate: ds.AMSGrad(rate),
    lambda rate: ds.Adamax(rate, epsilon=1 / rate),
    lambda rate: ds.NAdam(rate, beta1=0.999),
    lambda rate: ds.Lion(rate, weight_decay=1e-3),
]


@st.composite
def diverging_runs(draw):
    """A problem of inputs near 1 or far beyond, and trainer options with steps far too long."""
    case = draw(problems(rows=st.integers(2, 30)))
    options = {
        "optimizer": draw(st.sampled_from(OPTIMIZERS))(draw(st.sampled_from(RATES))),
        "batch_size": draw(batch_sizes(case.rows)),
        "threads": draw(st.integers(1, 3)),
    }
    return case, draw(st.sampled_from([1.0, 1e10, 1e30])), options


def finite(network):
    return all(np.isfinite(part).all() for pair in network.parameters() for part in pair)


def error_of(call):
    """Return what the overflow in ``call`` says, None where nothing overflows."""
    try:
        call()
    except FloatingPointError as error:
        return str(error)
    return None


def next_loss(trainer, case):
    """Return the loss of one more step, or the error without the epoch."""
    losses = []
    failure = error_of(lambda: losses.append(trainer.step(case.X, case.y)))
    return losses or re.sub(r"\(epoch \d+\)", "", failure)


@given(diverging_runs())
def test_a_diverging_run_ends_with_the_state_of_its_last_finite_step(drawn):
    case, scale, options = drawn
    X = case.X * case.X.dtype.type(scale)
    run, fresh = (ds.Trainer(case.architecture.network(), case.loss, **options) for _ in range(2))
    data = {"epochs": 8, "sample_weight": case.sample_weight}
    failure = error_of(lambda: run.fit(X, case.y, **data))
    if failure is not None:
        assert f" of step {run.steps + 1} " in failure
        assert f"; the parameters are those after step {run.steps}. " in failure
    assert finite(run.network)
    if run.steps > 0:
        fresh.fit(X, case.y, stop=ds.Stop(max_steps=run.steps), **data)
    assert same_bits(run.network.parameters(), fresh.network.parameters())
    # The optimizer's state too: both go on alike.
    assert next_loss(run, case) == next_loss(fresh, case)
    assert finite(run.network)
    assert same_bits(run.network.parameters(), fresh.network.parameters())


@pytest.mark.parametrize("rows", [6, 1500])
@pytest.mark.parametrize("call", ["fit", "run_epoch", "step"])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_update_that_overflows_is_not_applied(call, rows, threads):
    case = problem(mlp(3, 70, 2, dtype="float32"), "squared_error", rows, seed=3)
    network = case.architecture.network()
    before = network.parameters()
    optimizer = ds.SGD(1e38, momentum=0.9)
    run = ds.Trainer(network, case.loss, optimizer, batch_size=None, threads=threads)
    message = f"Trainer.{call}: the update of step 1 .*overflows float32; .* after step 0"
    with pytest.raises(FloatingPointError, match=message):
        getattr(run, call)(1e6 * case.X, 1e6 * case.y)
    assert same_bits(network.parameters(), before)
    assert run.steps == 0


def test_a_state_that_would_overflow_stops_the_run():
    # The squared gradient is beyond float32, while the parameters would stay finite.
    network = mlp(1, 1, dtype="float32").network()
    run = ds.Trainer(network, "absolute_error", ds.Adam())
    with pytest.raises(FloatingPointError, match=r"update of step 1 .*overflows"):
        run.step(np.full((4, 1), 1e30), np.full(4, -1e35))
    assert run.step(np.ones((4, 1)), np.ones(4)) < 10


def test_large_steps_that_do_not_overflow_are_taken():
    # Beyond every bound that the core keeps, so that it has to try the update first.
    network = mlp(1, 1, dtype="float32").network()
    run = ds.Trainer(network, "absolute_error", ds.SGD(1e36), batch_size=None)
    losses = run.fit(np.ones((4, 1)), np.zeros(4), epochs=20).loss
    assert max(losses) > 1e35
    assert run.steps == 20
    assert finite(network)


def test_parameters_set_during_a_run_do_not_let_it_overflow():
    case = problem(mlp(2, 1, dtype="float32"), "absolute_error", 100, seed=3)
    network = case.architecture.network()
    # Decay by a factor of -1.00001: nothing for small parameters, too much for the largest ones.
    run = ds.Trainer(network, case.loss, ds.SGD(1e-3, weight_decay=2000.01), batch_size=1)
    huge = [(np.full((2, 1), LARGEST), np.zeros(1))]
    order = np.tile(np.arange(100), 20_000)
    earlier = signal.signal(signal.SIGALRM, lambda *_: network.set_parameters(huge))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(FloatingPointError):
            run.run_epoch(case.X / 1e6, case.y, order=order)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert finite(network)
