"""Learning rates that change: schedules against the reference, and callables of the step."""

import json
import math
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference import schedules as reference
from reference.schedules import SCHEDULES
from strategies import batch_sizes, mlp, optimizers, problem
from tolerances import assert_close, same_bits

CASE = problem(mlp(4, 40, 2), "squared_error", 50, seed=8)
RATES = st.floats(1e-6, 10.0)
STEPS = st.integers(1, 3000)
PARAMETERS = {
    "constant": {"rate": RATES},
    "step": {"initial": RATES, "steps": STEPS, "factor": st.floats(0.01, 1.0)},
    "exponential": {"initial": RATES, "steps": STEPS, "factor": st.floats(0.01, 1.0)},
    "cosine": {"initial": RATES, "steps": STEPS, "final": st.one_of(st.just(0.0), RATES)},
    "linear": {"initial": st.one_of(st.just(0.0), RATES), "steps": STEPS, "final": RATES},
    "inverse_scaling": {"initial": RATES, "power": st.floats(0.0, 2.0)},
    "one_cycle": {
        "peak": RATES,
        "steps": STEPS,
        "rise": st.floats(0.0, 0.99),
        "start_divisor": st.floats(1.0, 100.0),
        "final_divisor": st.floats(1.0, 1e5),
    },
}


@st.composite
def schedules(draw):
    """A schedule of the library, and the rate of step t by the reference."""
    kind = draw(st.sampled_from(sorted(SCHEDULES)))
    parameters = {name: draw(values) for name, values in PARAMETERS[kind].items()}
    ours = getattr(ds.schedules, kind)(**parameters)

    def theirs(t):
        return SCHEDULES[kind](t, **parameters)

    if not draw(st.booleans()):
        return ours, theirs
    steps, start = draw(st.integers(1, 50)), draw(st.floats(0.0, 0.99))
    warmed = ds.schedules.warm_up(ours, steps, start)
    return warmed, lambda t: reference.warm_up(theirs, t, steps, start)


def test_every_schedule_has_a_twin():
    assert ds.schedules.names() == list(SCHEDULES)


@given(schedules(), st.lists(st.integers(1, 6000), min_size=1, max_size=20))
def test_rates_equal_the_reference(pair, steps):
    ours, theirs = pair
    for t in [1, 2, 3, *steps]:
        # Next to the end of a cosine the reference itself is off by a rounding of its largest rate.
        assert ours.at(t) == pytest.approx(theirs(t), rel=1e-12, abs=1e-15)


@given(RATES, RATES, STEPS)
def test_schedules_begin_and_end_exactly_at_their_rates(initial, final, steps):
    for schedule in (ds.schedules.cosine, ds.schedules.linear):
        rate = schedule(initial, steps, final)
        assert rate.at(1) == initial
        assert rate.at(steps + 1) == rate.at(10 * steps) == final


@given(RATES, st.integers(4, 3000))
def test_one_cycle_has_its_peak_where_it_says(peak, steps):
    rate = ds.schedules.one_cycle(peak, steps, rise=0.5)
    rates = [rate.at(t) for t in range(1, steps + 2)]
    assert_close(max(rates), peak, 1e-2 if steps < 100 else 1e-3)
    assert abs(int(np.argmax(rates)) - (0.5 * steps - 1)) <= 1
    assert rates[0] == peak / 25
    assert rates[-1] == rates[-2] == peak / 25 / 1e4


@given(schedules())
def test_a_schedule_can_be_written_down_and_rebuilt(pair):
    rate, _ = pair
    written = json.loads(json.dumps([rate.kind, rate.parameters]))
    for again in (
        ds.LearningRate(*written),
        pickle.loads(pickle.dumps(rate)),
        eval(repr(rate), {"schedules": ds.schedules}),
        ds.schedules.per_epoch(rate),
    ):
        counts_epochs = "per_epoch" in again.parameters
        assert (again == rate) != counts_epochs
        assert (hash(again) == hash(rate)) != counts_epochs
        assert [again.at(t) for t in range(1, 60)] == [rate.at(t) for t in range(1, 60)]


def trainer_of(optimizer, **options):
    network = CASE.architecture.network()
    return ds.Trainer(network, loss=CASE.loss, optimizer=optimizer, shuffle=False, **options)


def with_rate(optimizer, rate):
    """Return an optimizer that differs in its learning rate alone."""
    kind, values = optimizer.__reduce__()
    return kind(rate, *values[1:])


def rates_of(kind):
    """Return a function that gives the rate of step t, and the learning rate that has them."""
    schedule = ds.schedules.warm_up(ds.schedules.cosine(1e-3, 20, 1e-5), 5)
    return schedule.at, schedule if kind == "schedule" else schedule.at


@given(optimizers(), batch_sizes(50), st.sampled_from(["schedule", "callable"]), st.integers(1, 3))
def test_a_scheduled_run_equals_steps_of_rates_set_by_hand(pair, batch_size, kind, threads):
    rate_at, learning_rate = rates_of(kind)
    optimizer = with_rate(pair[0], learning_rate)
    run = trainer_of(optimizer, batch_size=batch_size, threads=threads)
    by_hand = trainer_of(pair[0], batch_size=batch_size)
    history = run.fit(CASE.X, CASE.y, epochs=2)
    size = batch_size or 50
    for _ in range(2):
        for first in range(0, 50, size):
            by_hand.learning_rate = rate_at(by_hand.steps + 1)
            by_hand.step(CASE.X[first : first + size], CASE.y[first : first + size])
    assert history.steps == by_hand.steps
    assert same_bits(run.network.parameters(), by_hand.network.parameters())
    assert run.optimizer == optimizer


def test_more_steps_than_are_asked_for_at_a_time_go_on_alike():
    asked = []

    def rate(t):
        asked.append(t)
        return 1e-3 / t

    run = trainer_of(ds.Adam(rate), batch_size=1)
    by_hand = trainer_of(ds.Adam(), batch_size=1)
    order = np.arange(3000) % 50
    run.run_epoch(CASE.X, CASE.y, order=order)
    for row in order:
        by_hand.learning_rate = 1e-3 / (by_hand.steps + 1)
        by_hand.step(CASE.X[row : row + 1], CASE.y[row : row + 1])
    assert same_bits(run.network.parameters(), by_hand.network.parameters())
    assert asked == list(range(1, 3001))


def test_single_steps_and_epochs_count_on():
    asked = []

    def rate(t):
        asked.append(t)
        return 0.01

    run = trainer_of(ds.SGD(rate), batch_size=25)
    run.step(CASE.X, CASE.y)
    run.run_epoch(CASE.X, CASE.y)
    run.fit(CASE.X, CASE.y, epochs=2)
    assert asked == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("learning_rate", [lambda epoch: 0.1 / epoch, ds.schedules.step(0.1, 2)])
def test_a_rate_per_epoch_counts_epochs_from_one(learning_rate):
    asked = []
    rate_at = learning_rate.at if isinstance(learning_rate, ds.LearningRate) else learning_rate

    def rate(epoch):
        asked.append(epoch)
        return rate_at(epoch)

    run = trainer_of(ds.SGD(ds.schedules.per_epoch(rate)), batch_size=8)
    scheduled = trainer_of(ds.SGD(ds.schedules.per_epoch(learning_rate)), batch_size=8)
    by_hand = trainer_of(ds.SGD(), batch_size=8)
    for each in (run, scheduled):
        each.fit(CASE.X, CASE.y, epochs=4)
        each.step(CASE.X, CASE.y)
    for epoch in (1, 2, 3, 4):
        by_hand.learning_rate = rate_at(epoch)
        by_hand.run_epoch(CASE.X, CASE.y)
    by_hand.step(CASE.X, CASE.y)
    assert asked == [1, 2, 3, 4, 4]
    for each in (run, scheduled):
        assert same_bits(each.network.parameters(), by_hand.network.parameters())


def test_a_step_before_every_epoch_belongs_to_the_first():
    run = trainer_of(ds.SGD(ds.schedules.per_epoch(lambda epoch: 0.1 * epoch)))
    by_hand = trainer_of(ds.SGD(0.1))
    for each in (run, by_hand):
        each.step(CASE.X, CASE.y)
    assert same_bits(run.network.parameters(), by_hand.network.parameters())


BAD_RESULTS = {
    "nan": (math.nan, ValueError, "learning_rate is nan at step 4"),
    "infinite": (math.inf, ValueError, "learning_rate is inf at step 4"),
    "negative": (-0.1, ValueError, "learning_rate is -0.1.* at step 4"),
    "too large": (1e39, ValueError, "at step 4, expected .* float32"),
    "text": ("fast", TypeError, r"learning_rate\(4\): the result must be a real number"),
    "none": (None, TypeError, r"learning_rate\(4\)"),
}


@pytest.mark.parametrize("call", ["fit", "run_epoch"])
@pytest.mark.parametrize("kind", BAD_RESULTS)
def test_a_bad_rate_ends_the_run_before_its_step(kind, call):
    bad, error, message = BAD_RESULTS[kind]
    run = trainer_of(ds.Adam(lambda t: 1e-3 if t < 4 else bad), batch_size=8)
    by_hand = trainer_of(ds.Adam(1e-3), batch_size=8)
    with pytest.raises(error, match=message):
        getattr(run, call)(CASE.X, CASE.y)
    assert run.steps == 3
    by_hand.fit(CASE.X, CASE.y, stop=ds.Stop(max_steps=3))
    assert same_bits(run.network.parameters(), by_hand.network.parameters())
    # Both go on.
    run.learning_rate = 1e-3
    assert run.step(CASE.X, CASE.y) == by_hand.step(CASE.X, CASE.y)
    assert same_bits(run.network.parameters(), by_hand.network.parameters())


def test_what_a_callable_raises_ends_the_run_before_its_step():
    run = trainer_of(ds.Adam(lambda t: 1e-3 / (3 - t)), batch_size=8)
    with pytest.raises(
        RuntimeError, match=r"learning_rate\(3\) raised ZeroDivisionError"
    ) as raised:
        run.fit(CASE.X, CASE.y)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert run.steps == 2
    with pytest.raises(RuntimeError):
        run.step(CASE.X, CASE.y)
    run.learning_rate = 0.1
    assert run.step(CASE.X, CASE.y) > 0


def test_an_interrupt_in_a_callable_goes_on_as_it_is():
    def rate(t):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer_of(ds.Adam(rate)).fit(CASE.X, CASE.y)


def test_a_callable_is_never_asked_beyond_the_end_of_the_run():
    rates = [0.1, 0.05, 0.02, 0.01, 0.005]
    run = trainer_of(ds.SGD(lambda t: rates[t - 1]), batch_size=20)
    history = run.fit(CASE.X, CASE.y, epochs=9, stop=ds.Stop(max_steps=5))
    assert history.stop_reason == "max_steps"
    run = trainer_of(ds.SGD(lambda t: rates[t - 1]), batch_size=10)
    # The last minibatch has no weight: there is no sixth step.
    order = np.arange(60) % 50
    weight = np.ones(50)
    weight[:10] = 0
    run.run_epoch(CASE.X, CASE.y, order=order, sample_weight=weight)
    assert run.steps == 4


def test_a_rate_of_zero_changes_nothing():
    run = trainer_of(ds.SGD(lambda t: 0.0), batch_size=8)
    before = run.network.parameters()
    run.fit(CASE.X, CASE.y)
    assert same_bits(run.network.parameters(), before)


def test_a_callable_runs_on_the_calling_thread_and_may_use_the_network():
    seen = []

    def rate(t):
        seen.append((threading.current_thread(), run.network.predict(CASE.X).shape, run.steps))
        return 0.01

    run = trainer_of(ds.SGD(rate), batch_size=25, threads=2)
    run.fit(CASE.X, CASE.y, epochs=2)
    assert {thread for thread, _, _ in seen} == {threading.current_thread()}
    assert [steps for _, _, steps in seen] == [0, 0, 2, 2]


def test_parameters_set_by_a_callable_do_not_let_the_run_overflow():
    largest = float(np.finfo("float32").max)
    case = problem(mlp(2, 1, dtype="float32"), "absolute_error", 100, seed=3)
    network = case.architecture.network()
    huge = [(np.full((2, 1), largest), np.zeros(1))]

    def rate(t):
        if t > 1024:
            network.set_parameters(huge)
        return 1e-3

    # Decay by a factor of -1.00001: nothing for small parameters, too much for the largest ones.
    run = ds.Trainer(network, case.loss, ds.SGD(rate, weight_decay=2000.01), batch_size=1)
    order = np.tile(np.arange(100), 30)
    with pytest.raises(FloatingPointError):
        run.run_epoch(case.X / 1e6, case.y, order=order)
    assert all(np.isfinite(part).all() for part in network.parameters()[0])


@pytest.mark.parametrize("optimizer", [ds.SGD(1.0, momentum=0.9), ds.Adam(), ds.AdamW()])
def test_rates_that_grow_stop_before_they_overflow(optimizer):
    growing = ds.schedules.exponential(1.0, 1, 100.0)
    case = problem(mlp(3, 5, 2, dtype="float32"), "squared_error", 20, seed=3)
    run, by_hand = (
        ds.Trainer(
            case.architecture.network(), case.loss, with_rate(optimizer, rate), shuffle=False
        )
        for rate in (growing, 1.0)
    )
    with pytest.raises(FloatingPointError):
        run.fit(case.X, case.y, epochs=18)
    assert run.steps > 0
    for t in range(1, run.steps + 1):
        by_hand.learning_rate = growing.at(t)
        by_hand.step(case.X, case.y)
    by_hand.learning_rate = growing.at(run.steps + 1)
    with pytest.raises(FloatingPointError):
        by_hand.step(case.X, case.y)
    assert same_bits(run.network.parameters(), by_hand.network.parameters())


@pytest.mark.parametrize("kind", ["number", "schedule", "callable"])
def test_the_learning_rate_is_read_as_it_was_set(kind):
    values = {"number": 0.25, "schedule": ds.schedules.linear(0.1, 5), "callable": math.sqrt}
    for trainer in (trainer_of(ds.Adam(values[kind])), trainer_of(ds.SGD())):
        trainer.learning_rate = values[kind]
        assert trainer.learning_rate == trainer.optimizer.learning_rate == values[kind]
        assert isinstance(trainer.learning_rate, type(values[kind]))
    optimizer = ds.Adam(values[kind])
    assert optimizer == ds.Adam(values[kind]) != ds.Adam(math.exp)
    assert hash(optimizer) == hash(ds.Adam(values[kind]))
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer


def test_a_schedule_of_one_rate_is_that_number():
    assert ds.Adam(ds.schedules.constant(0.5)).learning_rate == 0.5
    assert ds.Adam(ds.schedules.constant(0.5)) == ds.Adam(0.5)


@pytest.mark.parametrize("kind", ["schedule", "callable"])
@given(pair=optimizers())
def test_arrays_are_updated_with_the_rate_of_the_states_step(pair, kind):
    rate_at, learning_rate = rates_of(kind)
    scheduled = with_rate(pair[0], learning_rate)
    theta, *gradients = np.random.default_rng(0).normal(size=(8, 30))
    by_hand = theta.copy()
    state, other = scheduled.init(theta), scheduled.init(theta)
    for t, g in enumerate(gradients, start=1):
        scheduled.update(theta, g, state)
        with_rate(pair[0], rate_at(t)).update(by_hand, g, other)
    assert same_bits(theta, by_hand)


def test_an_update_of_arrays_has_no_epochs():
    theta = np.ones(3)
    optimizer = ds.SGD(ds.schedules.per_epoch(ds.schedules.step(0.1, 5)))
    state = optimizer.init(theta)
    with pytest.raises(ValueError, match="update: learning_rate counts epochs"):
        optimizer.update(theta, theta.copy(), state)
    failing = ds.SGD(lambda t: 1 / 0)
    with pytest.raises(RuntimeError, match=r"learning_rate\(1\)"):
        failing.update(theta, theta.copy(), state)
    assert state.step == 0
    assert same_bits(theta, np.ones(3))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: ds.schedules.cosine(0.0, 5), ValueError),
        (lambda: ds.schedules.cosine(1.0, 0), ValueError),
        (lambda: ds.schedules.cosine(1.0, 2.5), TypeError),
        (lambda: ds.schedules.cosine(1.0, 5, -1.0), ValueError),
        (lambda: ds.schedules.cosine("1", 5), TypeError),
        (lambda: ds.schedules.step(1.0, 5, 0.0), ValueError),
        (lambda: ds.schedules.exponential(1.0, 5, math.nan), ValueError),
        (lambda: ds.schedules.linear(-1.0, 5), ValueError),
        (lambda: ds.schedules.inverse_scaling(1.0, -0.5), ValueError),
        (lambda: ds.schedules.one_cycle(1.0, 5, rise=1.0), ValueError),
        (lambda: ds.schedules.one_cycle(1.0, 5, final_divisor=0.0), ValueError),
        (lambda: ds.schedules.warm_up(0.1, 0), ValueError),
        (lambda: ds.schedules.warm_up(0.1, 5, 1.0), ValueError),
        (lambda: ds.schedules.warm_up(ds.schedules.warm_up(0.1, 5), 5), ValueError),
        (lambda: ds.schedules.warm_up("fast", 5), TypeError),
        (lambda: ds.schedules.per_epoch(None), TypeError),
        (lambda: ds.LearningRate("cosin", {}), ValueError),
        (lambda: ds.LearningRate("cosine", {"initail": 1.0}), TypeError),
        (lambda: ds.LearningRate("function", {}), TypeError),
        (lambda: ds.Adam("fast"), TypeError),
    ],
)
def test_a_schedule_out_of_range_is_an_error(make, error):
    with pytest.raises(error, match=r"schedules\.|LearningRate: |learning_rate"):
        make()
