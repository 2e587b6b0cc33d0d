"""descend.sklearn: schedules as learning rates."""

import pickle

import pytest
from sklearn.model_selection import GridSearchCV

import descend as ds
from descend.sklearn import MLPClassifier, MLPRegressor
from sklearn_models import BOTH, SHORT, STOCHASTIC, X, parameters, quick, y
from tolerances import same_bits

pytestmark = SHORT


def halved(step):
    """A rate that is lower with each step, and can be pickled."""
    return 0.02 / step


STEP_RATES = [ds.schedules.cosine(0.02, 30), ds.schedules.warm_up(0.02, 5), halved]
EPOCH_RATES = [ds.schedules.per_epoch(halved), ds.schedules.per_epoch(ds.schedules.step(0.02, 2))]


@BOTH
@STOCHASTIC
@pytest.mark.parametrize("rates", [*STEP_RATES, *EPOCH_RATES])
def test_calls_of_partial_fit_follow_a_schedule_as_one_fit_does(kind, solver, rates):
    settings = {"solver": solver, "learning_rate": rates, "batch_size": 64, "shuffle": False}
    whole = quick(kind, **settings).fit(X, y)
    pieces = quick(kind, **settings)
    for call in range(5):
        pieces.partial_fit(X, y, **({"classes": range(10)} if kind is MLPClassifier else {}))
        if call == 2:
            pieces = pickle.loads(pickle.dumps(pieces))
    assert same_bits(parameters(pieces), parameters(whole))
    assert pieces.loss_curve_ == whole.loss_curve_
    constant = quick(kind, **{**settings, "learning_rate": "constant"}, learning_rate_init=0.02)
    assert whole.loss_ != constant.fit(X, y).loss_


@STOCHASTIC
def test_a_schedule_gives_the_rate_of_each_step(solver):
    # The same as one epoch after another, by hand, with a batch an epoch.
    rates = ds.schedules.linear(0.05, 4, 0.01)
    settings = {"solver": solver, "batch_size": 400, "shuffle": False, "warm_start": False}
    model = quick(MLPRegressor, learning_rate=rates, **settings).fit(X, y)
    twin = quick(MLPRegressor, **settings, learning_rate=ds.schedules.per_epoch(rates)).fit(X, y)
    assert same_bits(parameters(model), parameters(twin))
    zero = quick(MLPRegressor, learning_rate=lambda step: 0.0, **settings, max_iter=2).fit(X, y)
    assert zero.loss_curve_[0] == zero.loss_curve_[1]


def test_a_schedule_is_a_setting_to_search_over():
    grid = {"learning_rate": [lambda step: 1e-7, ds.schedules.constant(1e-2), "constant"]}
    search = GridSearchCV(quick(MLPClassifier, max_iter=15), grid, cv=2).fit(X, y)
    assert search.best_params_["learning_rate"] == ds.schedules.constant(1e-2)
    assert search.best_estimator_.get_params()["learning_rate"] is not grid["learning_rate"][0]


@BOTH
def test_a_schedule_that_fails_is_the_callers_error(kind):
    def rates(step):
        raise LookupError(f"no rate of step {step}")

    with pytest.raises(RuntimeError, match="LookupError: no rate of step 1"):
        quick(kind, learning_rate=rates).fit(X, y)
    with pytest.raises(ValueError, match="learning_rate"):
        quick(kind, learning_rate="cosine").fit(X, y)
