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
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
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
def test_feature_names_are_kept_and_checked(kind):
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    model = quick(kind, early_stopping=True).fit(frame, y)
    assert model.feature_names_in_.tolist() == frame.columns.tolist()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


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


def test_lbfgs_keeps_the_dtype_of_the_rows():
    model = quick(MLPClassifier, solver="lbfgs").fit(X.astype("float32"), y)
    assert {part.dtype.name for part in parameters(model)} == {"float32"}


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
@pytest.mark.parametrize("given", ["dropout", "eval_set"])
def test_lbfgs_takes_neither_dropout_nor_eval_set(kind, given):
    model = quick(kind, solver="lbfgs", dropout=0.1 if given == "dropout" else 0.0)
    with pytest.raises(ValueError, match="lbfgs"):
        model.fit(X, y, eval_set=(X, y) if given == "eval_set" else None)


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


@BOTH
@pytest.mark.parametrize("wrong", [(X[:, :3], y), (X, y[:-1]), (np.full_like(X, np.nan), y)])
def test_an_eval_set_that_does_not_fit_is_refused(kind, wrong):
    with pytest.raises(ValueError, match=r"features|inconsistent|NaN"):
        quick(kind).fit(X, y, eval_set=wrong)
