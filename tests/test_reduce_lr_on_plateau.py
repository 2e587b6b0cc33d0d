"""ReduceLROnPlateau: when the learning rate falls, how far, and what goes on with it."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from callback_runs import CASE, VALIDATION, fit, trainer
from descend.sklearn import MLPRegressor
from tolerances import same_bits


def rates_of_keras(values, *, factor, patience, min_delta, cooldown, min_learning_rate, mode):
    """Give the rate after each epoch, from 1 on, by the rules of Keras's callback."""
    sign = {"min": 1, "max": -1}[mode]
    rate, best, wait, cooling, rates = 1.0, float("inf"), 0, 0, []
    for value in values:
        if cooling > 0:
            cooling -= 1
            wait = 0
        if sign * value < best - min_delta:
            best = sign * value
            wait = 0
        elif cooling == 0:
            wait += 1
            if wait >= patience:
                if rate > min_learning_rate:
                    rate = max(rate * factor, min_learning_rate)
                    cooling = cooldown
                wait = 0
        rates.append(rate)
    return rates


def epoch(number, loss):
    return ds.EpochReport(number, loss, None, 0.0, 40, 3 * number, 0.0)


@given(
    values=st.lists(st.integers(-5, 5).map(float), max_size=40),
    settings=st.fixed_dictionaries(
        {
            "factor": st.sampled_from([0.1, 0.5, 0.9]),
            "patience": st.integers(1, 4),
            "min_delta": st.sampled_from([0.0, 1.0, 2.5]),
            "cooldown": st.integers(0, 3),
            "min_learning_rate": st.sampled_from([0.0, 0.3, 2.0]),
            "mode": st.sampled_from(["min", "max"]),
        }
    ),
)
def test_the_rate_falls_when_it_does_in_keras(values, settings):
    plateau = ds.ReduceLROnPlateau("loss", **settings)
    run, rates = SimpleNamespace(learning_rate=1.0), []
    plateau.on_train_begin(run)
    for number, value in enumerate(values, 1):
        plateau.on_epoch_end(run, epoch(number, value))
        rates.append(run.learning_rate)
    assert rates == rates_of_keras(values, **settings)


def test_the_steps_that_follow_have_the_lower_rate():
    never_better = ds.ReduceLROnPlateau("loss", factor=0.5, patience=1, mode="max")
    run = trainer(optimizer=ds.Adam(0.01))
    history = fit(run, [never_better], 4)
    assert history.learning_rate == [0.01, 0.01, 0.005, 0.0025]
    by_hand = trainer(optimizer=ds.Adam(0.01))
    for rate in history.learning_rate:
        by_hand.learning_rate = rate
        fit(by_hand, None, 1)
    assert same_bits(run.network.parameters(), by_hand.network.parameters())
    # Used again, it begins anew, at the rate where the trainer is.
    assert fit(run, [never_better], 2).learning_rate == [0.00125, 0.00125]


def test_a_rate_too_small_to_fall_stays():
    run = trainer(optimizer=ds.Adam(5e-324))
    never_better = ds.ReduceLROnPlateau("loss", patience=1, mode="max")
    assert fit(run, [never_better], 4).learning_rate == [5e-324] * 4


@pytest.mark.parametrize("epochs_before", [2, 3, 4])
def test_a_resumed_run_goes_on_with_the_same_rates(tmp_path, epochs_before):
    path = tmp_path / "run"

    def plateau():
        return ds.ReduceLROnPlateau("loss", 0.5, patience=2, cooldown=1, mode="max")

    def stop(trainer, report):
        if report.epoch == epochs_before:
            raise InterruptedError

    whole, cut = trainer(), trainer()
    history = fit(whole, [plateau()], 9)
    assert len(set(history.learning_rate)) > 2
    stopping = ds.LambdaCallback(on_epoch_end=stop)
    stopping.comes_last = True
    with pytest.raises(InterruptedError):
        fit(cut, [plateau(), ds.Checkpoint(path), stopping], 9)
    resumed = ds.Trainer.load(path)
    again = fit(resumed, [plateau()], 9 - resumed.epoch)
    assert again.learning_rate == history.learning_rate
    assert same_bits(whole.network.parameters(), resumed.network.parameters())


def test_an_estimator_takes_it_too():
    never_better = ds.ReduceLROnPlateau("loss", 0.5, patience=2, mode="max")
    model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=6, callbacks=[never_better])
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(CASE.X, CASE.y)
    assert model.history_.learning_rate == [0.001, 0.001, 0.001, 0.0005, 0.0005, 0.00025]


@pytest.mark.parametrize("rate", [ds.schedules.cosine(0.1, steps=9), lambda step: 0.1])
def test_a_rate_that_goes_by_steps_is_refused_before_the_first_one(rate):
    run = trainer(optimizer=ds.SGD(rate))
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau: .*goes by steps; .* a number"):
        fit(run, [ds.ReduceLROnPlateau()], validation_data=VALIDATION)
    assert run.steps == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"factor": 1.0}, ValueError),
        ({"factor": 0}, ValueError),
        ({"factor": float("nan")}, ValueError),
        ({"factor": "0.1"}, TypeError),
        ({"factor": True}, TypeError),
        ({"patience": 0}, ValueError),
        ({"patience": None}, TypeError),
        ({"cooldown": -1}, ValueError),
        ({"cooldown": 0.5}, TypeError),
        ({"min_learning_rate": -1e-9}, ValueError),
        ({"min_learning_rate": float("inf")}, ValueError),
        ({"min_learning_rate": 10**400}, ValueError),
        ({"min_delta": -1}, ValueError),
        ({"mode": "abs"}, ValueError),
        ({"monitor": 3}, TypeError),
    ],
)
def test_a_setting_out_of_range_is_an_error(options, error):
    with pytest.raises(error, match=rf"ReduceLROnPlateau: .*{next(iter(options))}"):
        ds.ReduceLROnPlateau(**options)
