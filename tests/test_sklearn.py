"""descend.sklearn: scikit-learn's contract of estimators, and what it adds to it."""

import os
import pickle
import signal
import subprocess
import sys
import threading

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from scipy.special import log_expit
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import descend as ds
from descend.sklearn import MLPClassifier, MLPRegressor, rows
from tolerances import assert_close, same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BOTH = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
STOCHASTIC = pytest.mark.parametrize("solver", ["sgd", "adam"])
X, y = load_digits(return_X_y=True)
X, y = X[:400] / 16, y[:400]


def quick(kind, **settings):
    return kind(**{"hidden_layer_sizes": 20, "random_state": 0, "max_iter": 5, **settings})


def parameters(model):
    return [*model.coefs_, *model.intercepts_]


def layers(model):
    return list(zip(model.coefs_, model.intercepts_, strict=True))


def checks():
    for kind in (MLPClassifier, MLPRegressor):
        for model, check in estimator_checks_generator(kind(max_iter=100), mark="skip"):
            yield pytest.param(model, check, id=f"{kind.__name__}-{check.func.__name__}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("model", "check"), list(checks()))
def test_the_estimator_checks_pass(model, check):
    check(model)


# ---- the contract of estimators ----------------------------------------------------------------


@BOTH
@STOCHASTIC
def test_a_copy_by_pickle_or_joblib_goes_on_as_the_original(kind, solver, tmp_path):
    model = quick(kind, solver=solver).fit(X, y)
    joblib.dump(model, tmp_path / "model")
    copies = [pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")]
    model.partial_fit(X, y)
    for copy in copies:
        assert same_bits(parameters(copy.partial_fit(X, y)), parameters(model))
        assert same_bits(copy.predict(X), model.predict(X))


@BOTH
def test_a_clone_has_the_settings_and_nothing_fitted(kind):
    model = quick(kind, dropout=0.25, threads=1, activation="gelu").fit(X, y)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coefs_")


def test_grid_search_over_a_pipeline_finds_the_better_setting():
    pipeline = make_pipeline(MinMaxScaler(), quick(MLPClassifier, max_iter=30))
    grid = {"mlpclassifier__learning_rate_init": [1e-6, 1e-2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_ == {"mlpclassifier__learning_rate_init": 1e-2}
    assert search.best_score_ > 0.8
    assert cross_val_score(pipeline, X, y, cv=2).shape == (2,)


@BOTH
@pytest.mark.parametrize("library", [pd, pl])
def test_feature_names_are_kept_and_checked(kind, library):
    names = [f"pixel {i}" for i in range(64)]
    frame = library.DataFrame({name: X[:, i] for i, name in enumerate(names)})
    model = quick(kind, early_stopping=True).fit(frame, library.Series(y))
    assert model.feature_names_in_.tolist() == names
    plain = quick(kind, early_stopping=True).fit(X, y)
    assert same_bits(parameters(model), parameters(plain))
    assert same_bits(model.predict(frame), plain.predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[names[::-1]])


@BOTH
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_rows_is_that_of_the_network(kind, solver, dtype):
    model = quick(kind, solver=solver).fit(X.astype(dtype), y)
    assert {part.dtype.name for part in parameters(model)} == {dtype}
    outputs = model.predict_proba if kind is MLPClassifier else model.predict
    assert outputs(X[:3].astype(dtype)).dtype == dtype


@BOTH
def test_parameters_changed_by_hand_are_those_that_predict(kind):
    model = quick(kind, activation="gelu").fit(X, y)
    before = model.predict(X)
    for part in parameters(model):
        part[...] = 0
    model.intercepts_[-1][:] = np.arange(model.n_outputs_)
    assert not np.array_equal(model.predict(X), before)
    assert np.array_equal(model.predict(X), np.full(400, 9 if kind is MLPClassifier else 0))


@BOTH
@pytest.mark.parametrize("rows", [1, 400])
def test_a_prediction_is_that_of_the_parameters_and_settings_of_its_moment(kind, rows):
    model = quick(kind).fit(X, y)
    model.coefs_[-1] *= 50

    def prediction():
        def of(estimator):
            return (
                estimator.predict_proba(X[:rows])
                if kind is MLPClassifier
                else estimator.predict(X[:rows])
            )

        outputs = of(model)
        assert same_bits(outputs, of(pickle.loads(pickle.dumps(model))))  # made anew
        return outputs

    def written():
        model.coefs_[-1][:, 0] += 0.5

    def replaced():
        model.intercepts_ = [b + 0.5 for b in model.intercepts_]

    def one_replaced():
        model.coefs_[1] = model.coefs_[1][::-1].copy()

    def of_other_dtype():
        model.coefs_ = [w.astype("float32") for w in model.coefs_]
        model.intercepts_ = [b.astype("float32") for b in model.intercepts_]

    def other_activation():
        model.set_params(activation="tanh")

    def fitted_further():
        model.partial_fit(X, y)

    before = prediction()
    assert same_bits(prediction(), before)
    changes = (written, replaced, one_replaced, other_activation, fitted_further, of_other_dtype)
    for change in changes:
        change()
        after = prediction()
        assert not np.array_equal(after, before), change.__name__
        before = after


@BOTH
def test_parameters_that_are_not_finite_do_not_predict(kind):
    model = quick(kind).fit(X, y)
    model.predict(X)
    model.coefs_[0][0, 0] = np.nan
    for _ in range(2):
        with pytest.raises(ValueError, match="finite"):
            model.predict(X[:1])


@BOTH
def test_another_architecture_needs_a_new_start(kind):
    model = quick(kind, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"\[20, .*hidden_layer_sizes=21"):
        model.set_params(hidden_layer_sizes=21).fit(X, y)
    model.set_params(warm_start=False).fit(X, y)
    assert model.coefs_[0].shape == (64, 21)


@BOTH
def test_a_warm_start_may_change_the_solver(kind):
    model = quick(kind, warm_start=True, solver="lbfgs").fit(X, y)
    loss = model.loss_
    model.set_params(solver="adam", learning_rate_init=1e-4).fit(X, y)
    assert len(model.loss_curve_) == 5
    assert model.loss_ < loss


@BOTH
def test_a_warm_start_with_early_stopping_keeps_the_best_of_all_calls(kind):
    settings = {"warm_start": True, "early_stopping": True, "max_iter": 30}
    model = quick(kind, learning_rate_init=0.01, **settings).fit(X, y)
    best, score = parameters(model), model.best_validation_score_
    model.set_params(learning_rate_init=5.0, max_iter=2).fit(X, y)
    assert len(model.validation_scores_) == 32
    assert model.best_validation_score_ == score
    assert same_bits(parameters(model), best)


@BOTH
def test_an_interrupt_warns_and_leaves_a_partly_fitted_model(kind):
    model = quick(kind, max_iter=10**6, n_iter_no_change=np.inf)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(X, y)
    timer.join()
    assert 0 < model.n_iter_ < 10**6
    model.predict(X)
    model.partial_fit(X, y)


def test_without_scikit_learn_the_error_names_the_extra():
    code = "import sys; sys.modules['sklearn'] = None; import descend; import descend.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=os.sep)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: descend.sklearn needs scikit-learn")
    assert 'pip install "descend[sklearn]"' in last


# ---- rows --------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_large_sparse_matrix_goes_in_parts(kind, solver, weighted, monkeypatch):
    weights = np.random.default_rng(0).random(400) if weighted else None
    if weighted:
        weights[64:128] = 0
    settings = {"solver": solver, "batch_size": 32, "shuffle": not weighted}
    whole = quick(kind, **settings).fit(csr_array(X), y, weights)
    monkeypatch.setattr(rows, "DENSE_BYTES", 64 * 8 * 70)
    parts = quick(kind, **settings).fit(csr_array(X), y, weights)
    assert_close(parts.loss_, whole.loss_, 1e-12)
    for mine, expected in zip(parameters(parts), parameters(whole), strict=True):
        assert_close(mine, expected, 1e-9)
    assert same_bits(whole.predict(csr_array(X)), whole.predict(X))


@BOTH
@STOCHASTIC
def test_minibatches_without_weight_are_passed_over(kind, solver):
    weights = np.ones(400)
    weights[:200] = 0
    settings = {"solver": solver, "batch_size": 100, "shuffle": False, "alpha": 0.0}
    part = quick(kind, **settings).fit(X, y, weights)
    alone = quick(kind, **settings)
    alone.fit(X[200:], y[200:])
    if kind is MLPRegressor or np.array_equal(alone.classes_, part.classes_):
        assert same_bits(parameters(part), parameters(alone))
        assert_close(part.loss_curve_, alone.loss_curve_, 1e-14)


@BOTH
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_the_number_of_threads_changes_no_bit(kind, solver):
    models = [quick(kind, solver=solver, threads=threads).fit(X, y) for threads in (1, 2, 3)]
    for model in models[1:]:
        assert same_bits(parameters(model), parameters(models[0]))
        assert model.loss_ == models[0].loss_


@STOCHASTIC
def test_a_run_that_diverges_is_an_error_and_no_endless_one(solver):
    model = quick(MLPRegressor, solver=solver)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.fit(1e200 * X, 1e200 * y)
    assert model.n_iter_ == model.max_iter
    assert all(np.isnan(part).all() for part in parameters(model))


# ---- what scikit-learn does not have -----------------------------------------------------------


def by_hand(model, rows):
    """The outputs of the fitted network, by the core's layers."""
    activation = {"logistic": "sigmoid"}.get(model.activation, model.activation)
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for w, b in layers[:-1]:
        rows = ds.ops.dense_forward(rows, w, b, activation)
    return ds.ops.dense_forward(rows, *layers[-1], "identity")


@pytest.mark.parametrize("activation", ds.activations())
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_activation_of_the_core_trains(solver, activation):
    model = quick(MLPClassifier, activation=activation, solver=solver, max_iter=20).fit(X, y)
    start = quick(MLPClassifier, activation=activation, max_iter=1).fit(X, y)
    assert model.loss_ < start.loss_
    assert np.array_equal(model.predict(X), by_hand(model, X).argmax(axis=1))


@STOCHASTIC
def test_each_hidden_layer_may_have_its_own_activation(solver):
    names = ["gelu", "logistic", "tanh"]
    settings = {"hidden_layer_sizes": (12, 9, 7), "solver": solver}
    model = quick(MLPClassifier, activation=names, **settings).fit(X, y)
    outputs = X
    for w, b, name in zip(
        model.coefs_, model.intercepts_, ["gelu", "sigmoid", "tanh", "identity"], strict=True
    ):
        outputs = ds.ops.dense_forward(outputs, w, b, name)
    assert np.array_equal(model.predict(X), outputs.argmax(axis=1))
    assert clone(model).get_params()["activation"] == names
    # A name for all is the same as that name for each, initial draws included.
    for name in ("logistic", "relu"):
        pair = [
            quick(MLPClassifier, activation=given, **settings).fit(X, y)
            for given in (name, [name] * 3)
        ]
        assert same_bits(*map(parameters, pair))


@BOTH
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["relu", "mish"], r"activation holds 'mish'; known activations: logistic, identity"),
        (["relu", 3], r"activation holds 3; known"),
        (["relu"], r"activation holds 1 names for 2 hidden layers"),
    ],
)
def test_a_wrong_list_of_activations_is_refused(kind, names, message):
    with pytest.raises(ValueError, match=message):
        quick(kind, activation=names, hidden_layer_sizes=(5, 5)).fit(X, y)


def test_sigmoid_is_logistic():
    models = [quick(MLPClassifier, activation=name).fit(X, y) for name in ("sigmoid", "logistic")]
    assert same_bits(*map(parameters, models))


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_losses_of_the_core_are_means_over_the_outputs(solver, loss):
    targets = np.stack([y, y**2 / 9.0], axis=1)
    settings = {"loss": loss, "alpha": 0.5, "solver": solver, "batch_size": 400}
    model = quick(MLPRegressor, max_iter=1, **settings).fit(X, targets)
    model.set_params(warm_start=True, max_iter=1, learning_rate_init=1e-12)
    penalty = 0.25 / 400 * sum((w**2).sum() for w in model.coefs_)
    error, _ = ds.ops.loss(loss, by_hand(model, X), targets)
    if solver != "lbfgs":
        model.fit(X, targets)
    assert_close(model.loss_, error / 2 + penalty, 1e-9)
    assert same_bits(model.predict(X), by_hand(model, X))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_one_against_the_rest_is_as_many_logistic_outputs(solver):
    labels = np.array(list("abcdefghij"))[y]
    settings = {"solver": solver, "max_iter": 20, "learning_rate_init": 0.03}
    model = quick(MLPClassifier, loss="one_vs_rest", **settings).fit(X, labels)
    several = quick(MLPClassifier, **settings).fit(X, np.eye(10, dtype=int)[y])
    assert same_bits(parameters(model), parameters(several))
    assert model.loss_ == several.loss_
    assert model.out_activation_ == "logistic"
    shares = several.predict_proba(X) / several.predict_proba(X).sum(axis=1, keepdims=True)
    assert_close(model.predict_proba(X), shares, 1e-13)
    assert np.array_equal(model.predict(X), model.classes_[shares.argmax(axis=1)])
    assert model.score(X, labels) > 0.5


def test_one_against_the_rest_gives_probabilities_far_from_every_class():
    model = quick(MLPClassifier, loss="one_vs_rest").fit(X, y)
    model.intercepts_[-1][:] = -1e4
    model.intercepts_[-1][3] += 100
    assert_close(model.predict_proba(X), np.tile(np.arange(10) == 3, (400, 1)), 1e-9)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_two_classes_and_several_labels_are_one_against_the_rest_already(early_stopping):
    for targets in (y > 4, np.eye(10, dtype=int)[y]):
        pair = [
            quick(MLPClassifier, loss=loss, early_stopping=early_stopping).fit(X, targets)
            for loss in ("log_loss", "one_vs_rest")
        ]
        assert same_bits(*map(parameters, pair))


@STOCHASTIC
def test_a_rows_loss_weight_is_that_of_its_class(solver):
    of_class = {label: 1.0 + label / 3 for label in range(10)}
    weights = np.random.default_rng(0).random(400)
    by_class = quick(MLPClassifier, solver=solver, class_weight=of_class).fit(X, y, weights)
    by_row = quick(MLPClassifier, solver=solver).fit(X, y, weights * (1 + y / 3))
    assert same_bits(parameters(by_class), parameters(by_row))
    assert by_class.loss_curve_ == by_row.loss_curve_


def test_balanced_classes_weigh_the_same_and_leave_the_validation_score():
    kept = (y == 0) | ((y == 1) & (np.arange(400) % 8 == 0))
    balanced = quick(MLPClassifier, class_weight="balanced", early_stopping=True)
    balanced.fit(X[kept], y[kept])
    counts = np.bincount(y[kept])[y[kept]]
    by_row = quick(MLPClassifier).fit(X[kept], y[kept], len(counts) / (2 * counts))
    assert_close(
        quick(MLPClassifier, class_weight="balanced").fit(X[kept], y[kept]).loss_,
        by_row.loss_,
        1e-14,
    )
    assert len(balanced.validation_scores_) == 5
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        quick(MLPClassifier, class_weight="balanced").partial_fit(X, y, classes=range(10))


@BOTH
@STOCHASTIC
def test_dropout_draws_masks_from_the_random_state(kind, solver):
    models = [
        quick(kind, solver=solver, dropout=rate, random_state=state).fit(X, y)
        for rate, state in [(0.5, 0), (0.5, 0), (0.0, 0), (0.5, 1)]
    ]
    assert same_bits(*map(parameters, models[:2]))
    assert len({model.loss_ for model in models}) == 3
    assert same_bits(models[0].predict(X), models[0].predict(X))


def test_each_partial_fit_drops_other_units():
    model = quick(MLPRegressor, dropout=0.5, learning_rate_init=1e-12, shuffle=False)
    losses = {model.partial_fit(X, y).loss_ for _ in range(5)}
    assert len(losses) == 5


@BOTH
@pytest.mark.parametrize(
    "given", ["clip_norm", "clip_value", "average_decay", "dropout", "eval_set", "learning_rate"]
)
def test_lbfgs_refuses_what_goes_by_steps(kind, given):
    settings = {"dropout": 0.1, "learning_rate": lambda step: 0.1 / step}
    settings |= {"clip_norm": 1.0, "clip_value": 1.0, "average_decay": 0.0}
    model = quick(kind, solver="lbfgs").set_params(
        **{name: value for name, value in settings.items() if name == given}
    )
    with pytest.raises(ValueError, match=f"'lbfgs' does not take .*{given}; use 'adam' or 'sgd'"):
        model.fit(X, y, eval_set=(X, y) if given == "eval_set" else None)


@BOTH
@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
def test_a_gradient_is_clipped(kind, name):
    # A step of plain descent moves the parameters by the rate times the gradient.
    settings = {"solver": "sgd", "momentum": 0, "learning_rate_init": 1.0, "max_iter": 1}
    settings |= {"batch_size": 400, "alpha": 0.0}
    start = quick(kind, **{**settings, "learning_rate_init": 1e-300}).fit(X, y)
    model = quick(kind, **settings, **{name: 1e-3}).fit(X, y)
    steps = [new - old for new, old in zip(parameters(model), parameters(start), strict=True)]
    size = (
        np.sqrt(sum((step**2).sum() for step in steps))
        if name == "clip_norm"
        else max(np.abs(step).max() for step in steps)
    )
    assert_close(size, 1e-3, 1e-9)
    with pytest.raises(ValueError, match=name):
        quick(kind, **{name: 0.0}).fit(X, y)


# ---- averaged parameters, smoothed labels -------------------------------------------------------


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


# ---- learning rates ----------------------------------------------------------------------------


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


# ---- callbacks ---------------------------------------------------------------------------------


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


# ---- the history ------------------------------------------------------------------------------


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
