"""descend.sklearn: validation rows, metrics, and the history of a fit."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import log_expit
from sklearn.base import clone
from sklearn.metrics import mean_poisson_deviance

import descend as ds
from descend.sklearn import MLPClassifier, MLPRegressor
from sklearn_models import BOTH, SHORT, STOCHASTIC, X, by_hand, parameters, quick, y
from tolerances import assert_close, same_bits

pytestmark = SHORT


@BOTH
@STOCHASTIC
@pytest.mark.parametrize("layout", [np.asarray, csr_array])
def test_an_eval_set_is_scored_after_each_epoch_and_changes_nothing_else(kind, solver, layout):
    train, held = slice(0, 300), slice(300, 400)
    watched = quick(kind, solver=solver).fit(
        X[train], y[train], eval_set=(layout(X[held]), y[held])
    )
    plain = quick(kind, solver=solver).fit(X[train], y[train])
    assert same_bits(parameters(watched), parameters(plain))
    assert watched.loss_curve_ == plain.loss_curve_
    for epochs, score in enumerate(watched.validation_scores_, start=1):
        shorter = quick(kind, solver=solver, max_iter=epochs).fit(X[train], y[train])
        assert_close(score, shorter.score(X[held], y[held]), 1e-14)
    assert watched.best_validation_score_ == max(watched.validation_scores_)


@BOTH
def test_early_stopping_on_an_eval_set_uses_all_rows_and_keeps_the_best(kind):
    settings = {"early_stopping": True, "max_iter": 60, "n_iter_no_change": 3}
    settings |= {"learning_rate_init": 0.03}
    model = quick(kind, **settings).fit(X[:300], y[:300], eval_set=(X[300:], y[300:]))
    assert model.n_iter_ < 60
    assert model.t_ == 300 * model.n_iter_
    assert model.best_loss_ is None
    assert_close(model.score(X[300:], y[300:]), max(model.validation_scores_), 1e-14)


def test_an_eval_set_of_another_kind_of_labels_is_refused():
    several = np.eye(10, dtype=int)[y]
    with pytest.raises(ValueError, match=r"y has shape \(400, 10\), but .* ask for \(400,\)"):
        quick(MLPClassifier).fit(X, y, eval_set=(X, several))
    with pytest.raises(ValueError, match=r"y has shape \(400,\), but .* ask for \(400, 10\)"):
        quick(MLPClassifier).fit(X, several, eval_set=(X, y))


def test_an_eval_set_with_another_class_is_refused():
    with pytest.raises(ValueError, match=r"eval_set: y has classes .*10.*, which fit has not seen"):
        quick(MLPClassifier).fit(X, y, eval_set=(X, y + 1))
    with pytest.raises(ValueError, match=r"eval_set: y has classes .*z"):
        quick(MLPClassifier).fit(X, np.array(list("abcdefghij"))[y], eval_set=(X[:1], ["z"]))


@BOTH
@STOCHASTIC
def test_the_history_is_that_of_the_call(kind, solver):
    model = quick(kind, solver=solver, batch_size=64, learning_rate_init=0.02)
    for call in (1, 2):
        model.partial_fit(X, y, **({"classes": range(10)} if kind is MLPClassifier else {}))
        assert model.history_.loss == model.loss_curve_[-1:]
        assert len(model.loss_curve_) == call
        assert (model.history_.steps, model.history_.learning_rate) == (7, [0.02])
    model.fit(X, y)
    assert model.history_.loss == model.loss_curve_
    assert (model.history_.steps, model.history_.stop_reason) == (35, "epochs")
    assert (model.history_.validation_loss, model.history_.validation_metrics) == ([], {})
    assert pickle.loads(pickle.dumps(model)).history_ == model.history_


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_history_says_what_ended_the_run(kind, early_stopping):
    model = quick(kind, tol=10.0, n_iter_no_change=1, early_stopping=early_stopping).fit(X, y)
    assert model.history_.stop_reason == ("patience" if early_stopping else "loss_change")


def test_the_history_has_the_rate_of_each_epochs_last_step():
    rates = ds.schedules.cosine(0.02, 30)
    model = quick(MLPClassifier, learning_rate=rates, batch_size=64).fit(X, y)
    assert model.history_.learning_rate == [rates.at(7 * epoch) for epoch in range(1, 6)]
    adaptive = {"learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1}
    model = quick(MLPClassifier, solver="sgd", **adaptive).fit(X, y)
    assert_close(model.history_.learning_rate, [1e-3, 1e-3, 1e-3, 2e-4, 2e-4], 1e-12)


def raw_mean(outputs, targets):
    return float(outputs.mean())


ONE_HOT = np.eye(10, dtype=int)[y]


@pytest.mark.parametrize(
    ("kind", "settings", "targets", "names", "loss"),
    [
        (MLPClassifier, {}, y, ["accuracy", "top_3_accuracy"], ("softmax_cross_entropy", y, 1)),
        (
            MLPClassifier,
            {"loss": "one_vs_rest"},
            np.array(list("abcdefghij"))[y],
            ["accuracy"],
            ("sigmoid_cross_entropy", ONE_HOT, 1),
        ),
        (MLPClassifier, {}, y > 4, ["accuracy", "f1"], ("sigmoid_cross_entropy", y > 4, 1)),
        (MLPClassifier, {}, ONE_HOT, ["f1"], ("sigmoid_cross_entropy", ONE_HOT, 1)),
        (MLPRegressor, {}, ONE_HOT, ["r2"], ("squared_error", ONE_HOT, 10)),
        (MLPRegressor, {"loss": "huber"}, y, ["r2"], ("huber", y, 1)),
        (MLPRegressor, {"loss": "poisson"}, y, ["r2"], ("poisson", y, 1)),
    ],
)
@pytest.mark.parametrize("layout", [np.asarray, csr_array])
def test_validation_rows_are_measured_after_each_epoch(
    kind, settings, targets, names, loss, layout
):
    held = layout(X[300:]), targets[300:]
    model = quick(kind, metrics=[*names, raw_mean], **settings)
    history = model.fit(X[:300], targets[:300], eval_set=held).history_
    outputs = by_hand(model, X[300:])
    name, encoded, divisor = loss
    encoded = encoded[300:]
    expected = ds.ops.loss(name, outputs, encoded)[0] / divisor
    if name == "poisson":
        expected = mean_poisson_deviance(encoded, np.exp(outputs)) / 2
    assert_close(history.validation_loss[-1], expected, 1e-12)
    values = {metric: each[-1] for metric, each in history.validation_metrics.items()}
    assert values.pop("raw_mean") == outputs.mean()
    if settings.get("loss") == "one_vs_rest":  # one decision a row
        outputs, encoded, name = log_expit(outputs), y[300:], "softmax_cross_entropy"
    assert values == {metric: ds.metric(metric, outputs, encoded, loss=name) for metric in names}
    for metric in {"accuracy", "r2"} & set(names):  # what the estimators score by
        assert_close(history.validation_metrics[metric], model.validation_scores_, 1e-12)
    lengths = {len(each) for each in history.validation_metrics.values()}
    assert {len(history.validation_loss), *lengths} == {5}


def test_metrics_of_rows_set_aside_are_weighted():
    weights = np.where(y == 3, 1.0, 0.0) + 1e-9
    model = quick(MLPClassifier, early_stopping=True, metrics=["accuracy"]).fit(X, y, weights)
    assert_close(model.history_.validation_metrics["accuracy"], model.validation_scores_, 1e-12)


@BOTH
def test_metrics_need_validation_rows(kind):
    model = quick(kind, metrics=["r2"])
    with pytest.raises(ValueError, match="metrics are taken on validation rows; give eval_set"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="'lbfgs' does not take metrics"):
        clone(model).set_params(solver="lbfgs").fit(X, y)
    model.partial_fit(X, y, **({"classes": range(10)} if kind is MLPClassifier else {}))
    assert model.history_.validation_metrics == {}
    with pytest.raises(ValueError, match="blue"):
        quick(kind, metrics=["blue"]).fit(X, y, eval_set=(X, y))


@BOTH
@pytest.mark.parametrize("wrong", [(X[:, :3], y), (X, y[:-1]), (np.full_like(X, np.nan), y)])
def test_an_eval_set_that_does_not_fit_is_refused(kind, wrong):
    with pytest.raises(ValueError, match=r"features|inconsistent|NaN"):
        quick(kind).fit(X, y, eval_set=wrong)
