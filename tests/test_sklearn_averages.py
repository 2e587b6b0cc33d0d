"""The estimators' averaged parameters and smoothed labels."""

import pickle

import numpy as np
import pytest

import descend as ds
from descend.sklearn import MLPClassifier, MLPRegressor
from sklearn_models import BOTH, SHORT, STOCHASTIC, X, parameters, quick, y
from tolerances import assert_close, same_bits

pytestmark = SHORT


def layers(model):
    return list(zip(model.coefs_, model.intercepts_, strict=True))


@BOTH
@STOCHASTIC
def test_an_average_is_what_predicts_and_changes_no_training(kind, solver):
    at_work = []
    settings = {"solver": solver, "batch_size": 64}
    plain = quick(kind, **settings).fit(X, y)
    model = quick(
        kind, **settings, average_decay=0.9, callbacks=[lambda trainer, _: at_work.append(trainer)]
    ).fit(X, y)
    assert model.loss_curve_ == plain.loss_curve_
    trained, average = at_work[-1].network, at_work[-1].averaged_network
    assert same_bits(layers(model), average.parameters())
    assert same_bits(layers(plain), trained.parameters())
    assert not same_bits(layers(model), layers(plain))
    none = quick(kind, **settings, average_decay=0.0).fit(X, y)
    assert same_bits(layers(none), layers(plain))


@BOTH
@STOCHASTIC
def test_calls_of_partial_fit_go_on_with_the_average_of_one_fit(kind, solver):
    settings = {"solver": solver, "batch_size": 64, "shuffle": False, "average_decay": 0.9}
    whole = quick(kind, **settings).fit(X, y)
    pieces = quick(kind, **settings)
    for _ in range(5):
        pieces.partial_fit(X, y, **({"classes": range(10)} if kind is MLPClassifier else {}))
        pieces = pickle.loads(pickle.dumps(pieces))
    assert pieces.loss_curve_ == whole.loss_curve_
    assert same_bits(parameters(pieces), parameters(whole))


@BOTH
def test_early_stopping_judges_and_keeps_the_average(kind):
    at_work = []
    model = quick(
        kind,
        max_iter=12,
        average_decay=0.95,
        early_stopping=True,
        n_iter_no_change=1,
        tol=10.0,
        callbacks=[lambda trainer, _: at_work.append(trainer.averaged_network.predict(X[:50]))],
    ).fit(X, y, eval_set=(X[:50], y[:50]))
    assert model.n_iter_ == len(at_work) == 3
    scores = [model._score_rows(model._outputs(z), y[:50], None) for z in at_work]
    if kind is MLPRegressor:
        scores = [model._score_rows(z, y[:50].reshape(-1, 1), None) for z in at_work]
    assert model.validation_scores_ == scores
    assert model.best_validation_score_ == model.score(X[:50], y[:50])


@pytest.mark.parametrize("loss", ["log_loss", "one_vs_rest"])
@pytest.mark.parametrize("classes", [2, 10])
def test_labels_are_smoothed(loss, classes):
    labels = y % classes
    settings = {"loss": loss, "alpha": 0.0, "max_iter": 1, "learning_rate_init": 1e-300}
    model = quick(MLPClassifier, **settings, label_smoothing=0.2)
    model.fit(X, labels, eval_set=(X, labels))
    plain = quick(MLPClassifier, **settings).fit(X, labels, eval_set=(X, labels))
    if classes == 2 or loss == "log_loss":
        logs = model.predict_log_proba(X)
        towards_all = -0.2 * logs.mean(axis=1).mean()
    else:
        z = ds.Network.predict(model._network(), X)
        towards_all = 0.2 * (np.logaddexp(0, z) - 0.5 * z).sum(axis=1).mean()
    assert_close(model.loss_, 0.8 * plain.loss_ + towards_all, 1e-12)
    assert model.history_.validation_loss == plain.history_.validation_loss
    with pytest.raises(ValueError, match="'lbfgs' does not take label_smoothing"):
        quick(MLPClassifier, solver="lbfgs", label_smoothing=0.1).fit(X, labels)
