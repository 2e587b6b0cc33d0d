"""descend.sklearn: callbacks after the epochs of a fit."""

import pickle

import pytest
from sklearn.base import clone

import descend as ds
from descend.sklearn import MLPClassifier
from sklearn_models import BOTH, SHORT, STOCHASTIC, X, parameters, quick, y
from tolerances import same_bits

pytestmark = SHORT


class Watching(ds.Callback):
    """Notes what it is called with, and ends the run after some epochs."""

    def __init__(self, epochs=10**6):
        self.epochs = epochs
        self.calls = []

    def on_train_begin(self, trainer):
        self.calls.append("begin")

    def on_epoch_end(self, trainer, report):
        self.calls.append((report, trainer.network.predict(X[:1])))
        return report.epoch < self.epochs

    def on_train_end(self, trainer, history):
        self.calls.append(history)

    def close(self):
        self.calls.append("close")


@BOTH
@STOCHASTIC
def test_callbacks_see_each_epoch_and_change_nothing(kind, solver):
    watching = Watching()
    model = quick(kind, solver=solver, callbacks=[watching], metrics=["r2"], batch_size=64)
    if kind is MLPClassifier:
        model.set_params(metrics=["accuracy"])
    model.fit(X[:300], y[:300], eval_set=(X[300:], y[300:]))
    begin, *epochs, history, close = watching.calls
    assert (begin, close) == ("begin", "close")
    assert history == model.history_
    reports = [report for report, _ in epochs]
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5]
    assert [report.loss for report in reports] == model.loss_curve_
    assert [report.validation_loss for report in reports] == history.validation_loss
    assert [report.learning_rate for report in reports] == history.learning_rate
    assert [report.steps for report in reports] == [5, 10, 15, 20, 25]
    assert {report.rows for report in reports} == {300}
    (name,) = model.metrics
    assert [report.validation_metrics[name] for report in reports] == (
        history.validation_metrics[name]
    )
    plain = quick(kind, solver=solver, batch_size=64).fit(X[:300], y[:300])
    assert same_bits(parameters(model), parameters(plain))


@BOTH
def test_a_callback_ends_the_run(kind):
    model = quick(kind, callbacks=[Watching(2)]).fit(X, y)
    assert (model.n_iter_, model.history_.stop_reason) == (2, "interrupted")
    assert same_bits(parameters(model), parameters(quick(kind, max_iter=2).fit(X, y)))


@BOTH
def test_a_callback_sets_the_learning_rate(kind):
    def slower(trainer, report):
        trainer.learning_rate = 0.01 / 2**report.epoch

    model = quick(kind, callbacks=[slower], learning_rate_init=0.01).fit(X, y)
    assert model.history_.learning_rate == [0.01 / 2**epoch for epoch in range(5)]
    rates = ds.schedules.per_epoch(lambda epoch: 0.01 / 2 ** (epoch - 1))
    assert same_bits(parameters(model), parameters(quick(kind, learning_rate=rates).fit(X, y)))


@BOTH
def test_early_stopping_and_checkpoints_work_with_estimators(kind, tmp_path):
    stopping = ds.EarlyStopping(patience=2)
    path = tmp_path / "best.safetensors"
    callbacks = [stopping, ds.Checkpoint(path, save_best_only=True)]
    settings = {"callbacks": callbacks, "max_iter": 100, "learning_rate_init": 0.05}
    model = quick(kind, **settings).fit(X[:300], y[:300], eval_set=(X[300:], y[300:]))
    losses = model.history_.validation_loss
    assert losses.index(min(losses)) == len(losses) - 3
    assert same_bits(
        ds.Trainer.load(path).network.parameters(),
        list(zip(model.coefs_, model.intercepts_, strict=True)),
    )


@BOTH
def test_an_estimator_with_callbacks_is_pickled_and_cloned(kind, tmp_path):
    callbacks = [Watching(3), ds.CSVLogger(tmp_path / "log.csv")]
    model = quick(kind, callbacks=callbacks).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert same_bits(copy.predict(X), model.predict(X))
    copy.partial_fit(X, y)
    assert same_bits(parameters(copy), parameters(model.partial_fit(X, y)))
    twin = clone(model)
    assert twin.callbacks[0] is not callbacks[0]
    assert twin.set_params(max_iter=1).fit(X, y).n_iter_ == 1


@BOTH
def test_an_exception_of_a_callback_leaves_the_parameters_of_that_moment(kind):
    def failing(trainer, report):
        if report.epoch == 3:
            raise LookupError("enough")

    model = quick(kind, callbacks=[failing])
    with pytest.raises(LookupError, match="enough"):
        model.fit(X, y)
    assert same_bits(parameters(model), parameters(quick(kind, max_iter=3).fit(X, y)))


@BOTH
def test_what_cannot_be_called_back_is_refused(kind):
    every_step = ds.LambdaCallback(on_step_end=lambda trainer, report: None)
    with pytest.raises(ValueError, match="estimators call after epochs alone"):
        quick(kind, callbacks=[every_step]).fit(X, y)
    with pytest.raises(TypeError, match=r"descend\.Callback"):
        quick(kind, callbacks=["verbose"]).fit(X, y)
    with pytest.raises(ValueError, match="'lbfgs' does not take callbacks"):
        quick(kind, solver="lbfgs", callbacks=[Watching()]).fit(X, y)
