"""Inputs with many zeros: products pass over them and give what they would give with them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.network import Layer
from reference.optimizers import SMOOTH
from strategies import (
    DTYPES,
    SEEDS,
    Architecture,
    batch_sizes,
    optimizers,
    problem,
    thinned,
    trainer_pair,
)
from tolerances import assert_layers_close, same_bits

# From 64 inputs and 16 units on zeros are looked for; a word has the bits of 64 of them.
INPUTS = st.one_of(st.sampled_from([64, 65, 128, 191, 192, 193, 256]), st.integers(60, 400))
UNITS = st.one_of(st.sampled_from([16, 17, 32, 64, 65, 128]), st.integers(10, 130))


@given(DTYPES, INPUTS, UNITS, st.integers(1, 100), SEEDS, st.integers(1, 3))
def test_bits_are_those_of_products_with_the_zeros(dtype, inputs, units, rows, seed, threads):
    # So few rows that the gradient is one sum over them, as that of ds.ops is.
    rows = min(rows, inputs * units // (inputs + units))
    rng = np.random.default_rng(seed)
    X = thinned(rng.normal(size=(rows, inputs)), rng).astype(dtype)
    X[rng.random(X.shape) < 0.01] = -0.0
    y = rng.normal(size=(rows, units)).astype(dtype)
    network = ds.Network(inputs=inputs, layers=[ds.Dense(units)], seed=seed, dtype=dtype)
    J, [gradient] = network.loss_and_gradient(X, y, "squared_error", threads=threads)

    [(w, b)] = network.parameters()
    outputs = ds.ops.dense_forward(X, w, b)
    expected_J, d_outputs = ds.ops.loss("squared_error", outputs, y)
    _, d_w, d_b = ds.ops.dense_backward(d_outputs, X, w, outputs, "identity")
    assert expected_J == J
    assert same_bits(network.predict(X, threads=threads), outputs)
    assert same_bits(gradient, (d_w, d_b))


@given(st.data(), INPUTS, UNITS, st.integers(1, 300), st.booleans(), optimizers(SMOOTH), SEEDS)
def test_epochs_follow_the_reference(data, inputs, units, rows, drops_inputs, optimizer, seed):
    architecture = Architecture(
        inputs,
        (Layer(units, "tanh", 0.0), Layer(3, "identity", 0.0)),
        seed=seed,
        input_dropout=0.5 if drops_inputs else 0.0,
    )
    case = problem(architecture, "softmax_cross_entropy", rows, seed % 2**32)
    X = thinned(case.X, np.random.default_rng(seed))
    batch_size = data.draw(batch_sizes(rows))
    trainer, twin = trainer_pair(case, *optimizer, batch_size=batch_size, seed=seed)
    for _ in range(2):
        expected = twin.run_epoch(X, case.y, None, None)
        np.testing.assert_allclose(trainer.run_epoch(X, case.y), expected, rtol=1e-8)
    assert_layers_close(trainer.network.parameters(), twin.network.parameters, 1e-8, "trajectory")


def test_one_hot_rows_pick_rows_of_the_weights():
    columns = np.random.default_rng(0).integers(0, 500, 200)
    network = ds.Network(inputs=500, layers=[ds.Dense(20)], seed=0, dtype="float64")
    [(weights, _)] = network.parameters()
    one_hot = np.eye(500)[columns]
    # At the targets that the network gives, loss and gradient are exactly 0.
    J, [(d_w, d_b)] = network.loss_and_gradient(one_hot, weights[columns], "squared_error")
    assert J == 0.0
    assert not d_w.any()
    assert not d_b.any()
    # One unit off, the gradient of a row of the weights is the part of the rows that pick it.
    J, [(d_w, d_b)] = network.loss_and_gradient(one_hot, weights[columns] - 1.0, "squared_error")
    np.testing.assert_allclose(J, 10.0, rtol=1e-12)
    part = np.bincount(columns, minlength=500) / 200
    np.testing.assert_allclose(d_w, np.repeat(part[:, None], 20, axis=1), rtol=1e-12)
    np.testing.assert_allclose(d_b, 1.0, rtol=1e-12)
