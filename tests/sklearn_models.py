"""Estimators of descend.sklearn that fit handwritten digits in a moment, for their tests."""

import pytest
from sklearn.datasets import load_digits

import descend as ds
from descend.sklearn import MLPClassifier, MLPRegressor

BOTH = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
STOCHASTIC = pytest.mark.parametrize("solver", ["sgd", "adam"])
SHORT = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_digits(return_X_y=True)
X, y = X[:400] / 16, y[:400]


def quick(kind, **settings):
    return kind(**{"hidden_layer_sizes": 20, "random_state": 0, "max_iter": 5, **settings})


def parameters(model):
    return [*model.coefs_, *model.intercepts_]


def by_hand(model, rows):
    """The outputs of the fitted network, by the core's layers."""
    activation = {"logistic": "sigmoid"}.get(model.activation, model.activation)
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for w, b in layers[:-1]:
        rows = ds.ops.dense_forward(rows, w, b, activation)
    return ds.ops.dense_forward(rows, *layers[-1], "identity")
