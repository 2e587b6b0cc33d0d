"""The gradient agrees with an automatic-differentiation framework for every activation and loss."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.scipy.special import erf

import descend as ds
from tolerances import assert_close, assert_layers_close

ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: anp.maximum(z, 0.0),
    "leaky_relu": lambda z: anp.where(z > 0, z, 0.01 * z),
    "tanh": anp.tanh,
    "sigmoid": lambda z: 1 / (1 + anp.exp(-z)),
    "softplus": lambda z: anp.logaddexp(z, 0.0),
    "elu": lambda z: anp.where(z > 0, z, anp.expm1(anp.minimum(z, 0.0))),
    "gelu": lambda z: z * 0.5 * (1 + erf(z / np.sqrt(2))),
    "silu": lambda z: z / (1 + anp.exp(-z)),
}


def cross_entropy(f, labels):
    """Give the negative log-probability of each row's label."""
    largest = anp.max(f, axis=1, keepdims=True)
    log_sum = largest[:, 0] + anp.log(anp.sum(anp.exp(f - largest), axis=1))
    return log_sum - f[np.arange(len(labels)), labels]


ROW_LOSSES = {
    "squared_error": lambda f, y: 0.5 * anp.sum((f - y) ** 2, axis=1),
    "absolute_error": lambda f, y: anp.sum(anp.abs(f - y), axis=1),
    "huber": lambda f, y: anp.sum(
        anp.where(anp.abs(f - y) <= 1, 0.5 * (f - y) ** 2, anp.abs(f - y) - 0.5), axis=1
    ),
    "softmax_cross_entropy": cross_entropy,
    "sigmoid_cross_entropy": lambda f, y: anp.sum(anp.logaddexp(f, 0.0) - y * f, axis=1),
    "poisson": lambda f, y: anp.sum(anp.exp(f) - y * f, axis=1),
}


def targets(rng, loss, rows, outputs):
    if loss == "softmax_cross_entropy":
        return rng.integers(0, outputs, rows)
    if loss == "sigmoid_cross_entropy":
        return rng.uniform(size=(rows, outputs))
    if loss == "poisson":
        return rng.poisson(2.0, (rows, outputs)).astype(float)
    return rng.normal(size=(rows, outputs))


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 3e-4)])
@pytest.mark.parametrize("loss", ds.losses())
@pytest.mark.parametrize("activation", ds.activations())
def test_loss_and_gradient_agree_with_automatic_differentiation(activation, loss, dtype, rtol):
    rng = np.random.default_rng(7)
    network = ds.Network.mlp(
        [6, 17, 9, 4], activation, output_activation=activation, seed=3, dtype=dtype
    )
    X = rng.normal(size=(23, 6)).astype(dtype)
    y, weights = targets(rng, loss, 23, 4), rng.uniform(0.5, 2, 23)
    parameters = [
        (w.astype(float), b.astype(float) + rng.normal(0, 0.1, b.shape))
        for w, b in network.parameters()
    ]
    network.set_parameters(parameters)
    parameters = [(w.astype(float), b.astype(float)) for w, b in network.parameters()]

    def training_loss(layers):
        a = X.astype(float)
        for w, b in layers:
            a = ACTIVATIONS[activation](anp.dot(a, w) + b)
        return anp.sum(weights * ROW_LOSSES[loss](a, y)) / weights.sum()

    expected, expected_gradient = autograd.value_and_grad(training_loss)(parameters)
    actual, gradient = network.loss_and_gradient(X, y, loss, sample_weight=weights)
    assert_close(actual, expected, rtol)
    assert_layers_close(gradient, expected_gradient, rtol, "the gradient")
