"""descend.sklearn: scikit-learn's contract of estimators, and the rows it takes."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from itertools import pairwise

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csc_array, csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from descend.sklearn import MLPClassifier, MLPRegressor
from sklearn_models import BOTH, SHORT, STOCHASTIC, X, parameters, quick, y
from tolerances import assert_close, same_bits

pytestmark = SHORT


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
def test_sparse_rows_give_the_bits_of_dense_ones(kind, solver, weighted):
    weights = np.random.default_rng(0).random(400) if weighted else None
    if weighted:
        weights[64:128] = 0
    settings = {"solver": solver, "batch_size": 32, "shuffle": not weighted}
    dense = quick(kind, **settings).fit(X, y, weights)
    for sparse in (csr_array(X), csc_array(X), with_parts_in_one_place(X)):
        before = sparse.data.copy()
        model = quick(kind, **settings).fit(sparse, y, weights)
        assert model.loss_ == dense.loss_
        assert same_bits(parameters(model), parameters(dense))
        assert same_bits(model.predict(sparse), dense.predict(X))
        assert same_bits(sparse.data, before)


def with_parts_in_one_place(X):
    """Return a CSR matrix each of whose elements is the sum of two halves, not next to each other.

    The library refuses such a matrix; estimators of scikit-learn take it.
    """
    whole = csr_array(X / 2)
    indptr = 2 * whole.indptr
    order = np.concatenate([np.tile(np.arange(a, b), 2) for a, b in pairwise(whole.indptr)])
    return csr_array((whole.data[order], whole.indices[order], indptr), whole.shape)


@BOTH
def test_a_sparse_matrix_with_an_index_that_is_no_column_is_refused(kind):
    spoilt = csr_array(X)
    spoilt.indices[-1] = X.shape[1]
    with pytest.raises(ValueError, match=f"column index {X.shape[1]} in row {len(X) - 1}"):
        quick(kind).fit(spoilt, y)


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
