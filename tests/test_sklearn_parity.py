"""descend.sklearn against scikit-learn: the same settings give the same losses and parameters."""

import inspect
import warnings

import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array
from sklearn import neural_network
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from threadpoolctl import threadpool_limits

import descend.sklearn
from tolerances import assert_close

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1 or larger:UserWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    """Keep the threads that BLAS leaves spinning after each product off descend's processors."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


SOLVERS = ["sgd", "adam", "lbfgs"]
# Rounding grows with the epochs; six decimals of the loss are promised.
PROMISED = 1e-9


def rescaled(data):
    X, y = data
    return X, (y - y.mean()) / y.std()


X, y = load_digits(return_X_y=True)
X = X[:700] / 16
y = y[:700]
Xr, yr = rescaled(load_diabetes(return_X_y=True))
Y2 = np.stack([yr, yr**2], axis=1)
COUNTS = np.floor(Y2**2)
Xm, ym = make_multilabel_classification(300, random_state=0)
WEIGHTS = np.random.default_rng(0).random(700)


def assert_equal_runs(kind, X, y, sample_weight=None, **settings):
    """Fit both, and compare all that they are known by."""
    settings = {"random_state": 3, "max_iter": 12, **settings}
    theirs = getattr(neural_network, kind)(**settings).fit(X, y, sample_weight)
    ours = getattr(descend.sklearn, kind)(**settings).fit(X, y, sample_weight)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_", "best_loss_", "loss_curve_", "validation_scores_"):
        expected = getattr(theirs, name, None)
        if expected is None:
            assert getattr(ours, name, None) is None, name
        else:
            assert_close(getattr(ours, name), expected, PROMISED, name)
    for name in ("coefs_", "intercepts_"):
        for mine, expected in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert_close(mine, expected, PROMISED, name)
    assert np.asarray(ours.predict(X)).dtype == np.asarray(theirs.predict(X)).dtype
    if kind == "MLPClassifier":
        assert np.array_equal(ours.predict(X), theirs.predict(X))
        assert_close(ours.predict_proba(X), theirs.predict_proba(X), PROMISED)
        assert_close(ours.predict_log_proba(X), theirs.predict_log_proba(X), PROMISED)
    else:
        assert_close(ours.predict(X), theirs.predict(X), PROMISED)
    assert_close(ours.score(X, y), theirs.score(X, y), PROMISED)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_activation_and_solver(solver, activation):
    assert_equal_runs("MLPClassifier", X, y, solver=solver, activation=activation)


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0},
        {"momentum": 1.0},
        {"nesterovs_momentum": False, "learning_rate_init": 0.1},
        {"learning_rate": "invscaling", "learning_rate_init": 0.2, "power_t": 0.3},
        {"learning_rate": "adaptive", "learning_rate_init": 0.5, "tol": 1e-2, "max_iter": 60},
        {"learning_rate": "adaptive", "early_stopping": True, "tol": 0.1, "max_iter": 60},
    ],
)
def test_every_way_of_sgd(settings):
    settings = {"n_iter_no_change": 2, **settings}
    assert_equal_runs("MLPClassifier", X, y, solver="sgd", **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_layer_sizes": (50, 30, 20)},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": 7},
        {"batch_size": 17, "shuffle": False},
        {"batch_size": 4000},
        {"alpha": 5.0},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2},
        {"early_stopping": True, "max_iter": 100},
        {"tol": 1.0, "max_iter": 100},
        {"random_state": np.random.RandomState(7).randint(2**31)},
    ],
)
def test_every_other_setting(settings):
    assert_equal_runs("MLPClassifier", X, y, **settings)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sample_weights(solver, early_stopping):
    settings = {"solver": solver, "early_stopping": early_stopping, "alpha": 3.0}
    assert_equal_runs("MLPClassifier", X, y, WEIGHTS, **settings)
    assert_equal_runs("MLPClassifier", X, y > 4, WEIGHTS, **settings)
    assert_equal_runs("MLPRegressor", Xr, Y2, 100 * WEIGHTS[:442], **settings)


@pytest.mark.parametrize("solver", SOLVERS)
def test_labels_and_outputs_of_every_kind(solver):
    assert_equal_runs("MLPClassifier", X, y > 4, solver=solver)
    assert_equal_runs("MLPClassifier", X, np.array(list("abcdefghij"))[y], solver=solver)
    assert_equal_runs("MLPClassifier", Xm, ym, solver=solver)
    assert_equal_runs("MLPRegressor", Xr, yr, solver=solver)
    assert_equal_runs("MLPRegressor", Xr, Y2, solver=solver)
    assert_equal_runs("MLPRegressor", Xr, COUNTS, solver=solver, loss="poisson")
    assert_equal_runs(
        "MLPRegressor", Xr, COUNTS, WEIGHTS[:442], solver=solver, loss="poisson", alpha=1.0
    )


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("layout", [csr_array, csc_array, np.asfortranarray, list, lambda X: 2 * X])
def test_rows_of_every_layout(solver, layout):
    assert_equal_runs("MLPClassifier", layout(X), y, solver=solver)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_float32_rows_train_float32_networks(solver):
    settings = {"random_state": 3, "max_iter": 10, "solver": solver}
    theirs = neural_network.MLPClassifier(**settings).fit(X.astype("float32"), y)
    ours = descend.sklearn.MLPClassifier(**settings).fit(X.astype("float32"), y)
    assert {part.dtype.name for part in ours.coefs_ + ours.intercepts_} == {"float32"}
    assert ours.predict_proba(X.astype("float32")).dtype == np.float32
    assert_close(ours.loss_curve_, theirs.loss_curve_, 1e-4)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_fit_then_partial_fit_goes_on_and_warm_start_begins_anew(kind, solver):
    settings = {"random_state": 1, "max_iter": 5, "solver": solver, "warm_start": True}
    pair = [
        getattr(module, kind)(**settings).fit(X, y) for module in (neural_network, descend.sklearn)
    ]
    for step in range(4):
        for model in pair:
            model.fit(X, y) if step == 2 else model.partial_fit(X, y)
    theirs, ours = pair
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    assert_close(ours.loss_curve_, theirs.loss_curve_, PROMISED)
    for mine, expected in zip(ours.coefs_, theirs.coefs_, strict=True):
        assert_close(mine, expected, PROMISED)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_a_random_state_is_drawn_from_as_scikit_learn_does(kind):
    states = [np.random.RandomState(5), np.random.RandomState(5)]
    for module, state in zip((neural_network, descend.sklearn), states, strict=True):
        getattr(module, kind)(random_state=state, max_iter=3, early_stopping=True).fit(X, y)
    assert states[0].randint(2**31) == states[1].randint(2**31)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_parameters_and_defaults_are_scikit_learns(kind):
    ours, theirs = (
        inspect.signature(getattr(module, kind)) for module in (descend.sklearn, neural_network)
    )
    for name, parameter in theirs.parameters.items():
        assert ours.parameters[name].default == parameter.default, name
        assert ours.parameters[name].kind == parameter.kind, name
    names = list(ours.parameters)
    assert names[: len(theirs.parameters)] == list(theirs.parameters)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_methods_and_attributes_are_scikit_learns(kind):
    pair = [
        getattr(module, kind)(max_iter=2).fit(X, y) for module in (descend.sklearn, neural_network)
    ]
    ours, theirs = ({name for name in dir(model) if not name.startswith("_")} for model in pair)
    assert theirs <= ours
    assert ours - theirs <= {
        "average_decay",
        "callbacks",
        "class_weight",
        "clip_norm",
        "clip_value",
        "device",
        "dropout",
        "history_",
        "label_smoothing",
        "loss",
        "metrics",
        "threads",
    }


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", -1), ("solver", "rmsprop"), ("momentum", 1.5), ("batch_size", 0), ("tol", "low")],
)
def test_a_setting_out_of_range_is_refused_in_scikit_learns_words(kind, name, value):
    words = []
    for module in (descend.sklearn, neural_network):
        with pytest.raises(ValueError, match=name) as raised:
            getattr(module, kind)(**{name: value}).fit(X, y)
        words.append(str(raised.value))
    # The order in which a set of names is listed is none.
    assert sorted(words[0]) == sorted(words[1])


def test_verbose_prints_scikit_learns_lines(capsys):
    printed = []
    for module in (descend.sklearn, neural_network):
        for settings in ({"early_stopping": True}, {"learning_rate": "adaptive", "tol": 1.0}):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module.MLPClassifier(
                    solver="sgd",
                    verbose=True,
                    max_iter=40,
                    n_iter_no_change=2,
                    random_state=0,
                    **settings,
                ).fit(X, y)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "Setting learning rate" in printed[0]
