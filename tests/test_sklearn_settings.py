"""descend.sklearn: activations, losses, weights and steps that scikit-learn does not have."""

import numpy as np
import pytest
from sklearn.base import clone

import descend as ds
from descend.sklearn import MLPClassifier, MLPRegressor
from sklearn_models import BOTH, SHORT, STOCHASTIC, X, by_hand, parameters, quick, y
from tolerances import assert_close, same_bits

pytestmark = SHORT


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


@pytest.mark.parametrize(
    "name",
    ["alpha", "class_weight", "epsilon", "hidden_layer_sizes", "learning_rate_init", "tol"],
)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_number_beyond_float64_is_an_error_that_names_its_parameter(solver, name):
    number = 10**400
    value = {"class_weight": {0: number}, "hidden_layer_sizes": (4, number)}.get(name, number)
    model = quick(MLPClassifier, solver=solver, **{name: value})
    with pytest.raises(ValueError, match=rf"'{name}' parameter .* range of float64.* 1329 bits"):
        model.fit(X, y)
