"""Network.loss_and_gradient: the training loss of all rows and its gradient."""

import numpy as np
import pytest
from hypothesis import given

from reference.activations import ACTIVATIONS
from reference.losses import LOSSES
from reference.network import Layer
from strategies import Architecture, mlp, problem, problems
from tolerances import assert_close, assert_layers_close, same_bits, tolerance

# What the project promises for every activation and loss.
PROMISED = {"float64": 1e-9, "float32": 3e-4}


def compare_with_reference(case, rtol):
    network = case.architecture.network()
    arguments = case.X, case.y, case.loss, case.sample_weight
    loss, gradient = network.loss_and_gradient(*arguments)
    twin = case.architecture.reference(network.parameters())
    expected_loss, expected_gradient = twin.loss_and_gradient(*arguments)
    assert_close(loss, expected_loss, rtol, "loss")
    assert_layers_close(gradient, expected_gradient, rtol, "gradient")


@given(problems())
def test_loss_and_gradient_equal_the_reference(case):
    compare_with_reference(case, tolerance(case.architecture.dtype, *case.sums))


@pytest.mark.parametrize("dtype", PROMISED)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_loss_meets_the_promise(activation, loss, dtype):
    layers = Layer(20, activation), Layer(17, activation), Layer(5, activation)
    architecture = Architecture(13, layers, dtype, seed=3)
    compare_with_reference(problem(architecture, loss, 33, seed=1), PROMISED[dtype])


@pytest.mark.parametrize("rows", [127, 128, 129, 1000, 5000])
@pytest.mark.parametrize("dtype", PROMISED)
def test_many_rows_equal_the_reference(rows, dtype):
    architecture = mlp(7, 33, 4, dtype=dtype)
    case = problem(architecture, "squared_error", rows, seed=rows, weights=True)
    compare_with_reference(case, tolerance(dtype, *case.sums))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_matches_central_differences(activation, loss):
    layers = Layer(4, activation), Layer(3, activation)
    case = problem(Architecture(3, layers, seed=1), loss, 6, seed=2, weights=True)
    network = case.architecture.network()
    # Biases away from 0: a row whose units are all inactive would sit on the next layer's kink.
    rng = np.random.default_rng(0)
    parameters = [(w, rng.normal(size=b.shape)) for w, b in network.parameters()]
    network.set_parameters(parameters)
    arguments = case.X, case.y, case.loss, case.sample_weight
    _, gradient = network.loss_and_gradient(*arguments)
    h = 1e-6
    for layer, pair in enumerate(parameters):
        for part, theta in enumerate(pair):
            numeric = np.empty_like(theta)
            for index in np.ndindex(theta.shape):
                value = theta[index]
                sides = []
                for moved in (value + h, value - h):
                    theta[index] = moved
                    network.set_parameters(parameters)
                    sides.append(network.loss_and_gradient(*arguments)[0])
                theta[index] = value
                numeric[index] = (sides[0] - sides[1]) / (2 * h)
            assert_close(gradient[layer][part], numeric, 1e-6, f"layer {layer} part {part}")


@given(problems())
def test_loss_is_unchanged_when_rows_are_permuted(case):
    network = case.architecture.network()
    order = np.random.default_rng(0).permutation(case.rows)
    weights = None if case.sample_weight is None else case.sample_weight[order]
    loss, gradient = network.loss_and_gradient(case.X, case.y, case.loss, case.sample_weight)
    permuted = network.loss_and_gradient(case.X[order], case.y[order], case.loss, weights)
    rtol = tolerance(case.architecture.dtype, *case.sums)
    assert_close(permuted[0], loss, rtol, "loss")
    assert_layers_close(permuted[1], gradient, rtol, "gradient")


@given(problems())
def test_evaluating_changes_nothing(case):
    network = case.architecture.network()
    before = network.parameters()
    X, y = case.X.copy(), case.y.copy()
    network.loss_and_gradient(X, y, case.loss, case.sample_weight)
    assert same_bits(network.parameters(), before)
    assert same_bits([X, y], [case.X, case.y])


def test_gradients_have_the_shapes_and_dtype_of_the_parameters():
    case = problem(Architecture(3, (Layer(5, "relu"), Layer(2)), "float32"), "huber", 4)
    network = case.architecture.network()
    loss, gradient = network.loss_and_gradient(case.X, case.y, loss="huber")
    assert isinstance(loss, float)
    for ours, theirs in zip(gradient, network.parameters(), strict=True):
        assert [g.shape for g in ours] == [p.shape for p in theirs]
        assert [g.dtype for g in ours] == [np.float32, np.float32]


def test_inactive_units_have_no_gradient():
    case = problem(Architecture(2, (Layer(3, "relu"), Layer(1))), "squared_error", 4)
    network = case.architecture.network()
    (w, b), last = network.parameters()
    network.set_parameters([(w, b - 1e6), last])
    _, ((d_w, d_b), _) = network.loss_and_gradient(case.X, case.y, "squared_error")
    assert not d_w.any()
    assert not d_b.any()
