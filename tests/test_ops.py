"""ops: stateless kernels on anybody's arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.activations import ACTIVATIONS
from strategies import DTYPES, LAYOUTS, WIDTHS, layouts
from tolerances import assert_close, same_bits, tolerance

NEEDS_Z = ("gelu", "silu")
activations = st.sampled_from(sorted(ACTIVATIONS))
rows = st.integers(1, 40)


def layer(dtype, rows, inputs, units, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (rows, inputs), (inputs, units), (units,), (rows, units)
    x, w, b, d_a = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    return x, w / np.sqrt(inputs).astype(dtype), b, d_a


@given(DTYPES, rows, WIDTHS, WIDTHS, activations)
def test_forward_equals_the_reference(dtype, rows, inputs, units, activation):
    x, w, b, _ = layer(dtype, rows, inputs, units)
    a = ds.ops.dense_forward(x, w, b, activation=activation)
    z = x.astype(float) @ w.astype(float) + b
    assert a.dtype == dtype
    assert_close(a, ACTIVATIONS[activation].f(z), tolerance(dtype, inputs))


@given(DTYPES, rows, WIDTHS, WIDTHS, activations)
def test_backward_equals_the_reference(dtype, rows, inputs, units, activation):
    x, w, b, d_a = layer(dtype, rows, inputs, units)
    z = ds.ops.dense_forward(x, w, b)
    z_or_a = z if activation in NEEDS_Z else ds.ops.dense_forward(x, w, b, activation)
    actual = ds.ops.dense_backward(d_a, x, w, z_or_a, activation)
    d_z = d_a.astype(float) * ACTIVATIONS[activation].derivative(z.astype(float))
    expected = d_z @ w.T.astype(float), x.T.astype(float) @ d_z, d_z.sum(axis=0)
    for name, ours, theirs in zip(("d_x", "d_w", "d_b"), actual, expected, strict=True):
        assert ours.dtype == dtype
        # Biases sum what weights sum times x, so they share a scale.
        scale = max(1.0, np.abs(d_z).sum(axis=0).max() / max(np.abs(theirs).max(), 1e-300))
        rtol = tolerance(dtype, inputs, units, rows)
        assert_close(ours, theirs, rtol * scale, name)


def test_identity_is_the_default_activation():
    x, w, b, _ = layer("float64", 3, 4, 5)
    assert same_bits(ds.ops.dense_forward(x, w, b), ds.ops.dense_forward(x, w, b, "identity"))


@given(layouts, layouts, layouts)
def test_layout_does_not_change_the_bits(x_layout, w_layout, b_layout):
    x, w, b, d_a = layer("float64", 9, 17, 5)
    a = ds.ops.dense_forward(x, w, b, "tanh")
    laid = LAYOUTS[x_layout](x), LAYOUTS[w_layout](w), LAYOUTS[b_layout](b)
    assert same_bits(ds.ops.dense_forward(*laid, "tanh"), a)
    expected = ds.ops.dense_backward(d_a, x, w, a, "tanh")
    actual = ds.ops.dense_backward(
        LAYOUTS[b_layout](d_a), laid[0], laid[1], LAYOUTS[w_layout](a), "tanh"
    )
    assert same_bits(list(actual), list(expected))


def test_float64_anywhere_means_float64():
    x, w, b, d_a = layer("float32", 3, 4, 5)
    for index in range(3):
        arrays = [x, w, b]
        arrays[index] = arrays[index].astype("float64")
        assert ds.ops.dense_forward(*arrays).dtype == np.float64
    assert ds.ops.dense_forward(x, w, b).dtype == np.float32
    assert {d.dtype for d in ds.ops.dense_backward(d_a, x, w, d_a, "tanh")} == {np.dtype("float32")}
    assert ds.ops.loss("huber", x, x.astype("float64"))[1].dtype == np.float64


def test_no_rows_are_refused():
    _, w, b, _ = layer("float32", 1, 4, 5)
    with pytest.raises(ValueError, match=r"dense_forward: .*\(0, 4\)"):
        ds.ops.dense_forward(np.empty((0, 4), "float32"), w, b)


def test_arguments_are_not_modified():
    arrays = layer("float64", 3, 4, 5)
    copies = [array.copy() for array in arrays]
    x, w, b, d_a = arrays
    ds.ops.dense_backward(d_a, x, w, ds.ops.dense_forward(x, w, b, "tanh"), "tanh")
    ds.ops.loss("squared_error", d_a, d_a)
    assert same_bits(list(arrays), copies)


def test_a_network_is_its_operations_in_a_row():
    network = ds.Network(inputs=6, layers=[ds.Dense(20, "relu"), ds.Dense(3)], seed=1)
    x = np.random.default_rng(0).normal(size=(10, 6)).astype("float32")
    y = np.random.default_rng(1).normal(size=(10, 3)).astype("float32")
    (w1, b1), (w2, b2) = network.parameters()
    a1 = ds.ops.dense_forward(x, w1, b1, "relu")
    a2 = ds.ops.dense_forward(a1, w2, b2)
    j, d_a2 = ds.ops.loss("squared_error", a2, y)
    d_a1, d_w2, d_b2 = ds.ops.dense_backward(d_a2, a1, w2, a2, "identity")
    _, d_w1, d_b1 = ds.ops.dense_backward(d_a1, x, w1, a1, "relu")
    assert same_bits(a2, network.predict(x))
    loss, gradient = network.loss_and_gradient(x, y, "squared_error")
    assert_close(j, loss, 1e-6)
    for (d_w, d_b), ours in zip(gradient, [(d_w1, d_b1), (d_w2, d_b2)], strict=True):
        assert_close(ours[0], d_w, 1e-5)
        assert_close(ours[1], d_b, 1e-5)


@pytest.mark.parametrize(
    ("shapes", "numbers"),
    [
        (((3, 4), (5, 2), (2,)), ("4", "5")),
        (((3, 4), (4, 2), (3,)), ("2", "3")),
        (((4,), (4, 2), (2,)), ("(4,)",)),
        (((3, 4), (4,), (2,)), ("(4,)",)),
        (((3, 4), (4, 2), (2, 1)), ("(2, 1)",)),
        (((1, 3, 4), (4, 2), (2,)), ("(1, 3, 4)",)),
    ],
)
def test_forward_names_the_shapes_that_do_not_fit(shapes, numbers):
    with pytest.raises(ValueError, match="dense_forward: ") as raised:
        ds.ops.dense_forward(*(np.zeros(shape) for shape in shapes))
    assert all(number in str(raised.value) for number in numbers), raised.value


@pytest.mark.parametrize("wrong", range(4))
def test_backward_names_the_shapes_that_do_not_fit(wrong):
    shapes = [(3, 2), (3, 4), (4, 2), (3, 2)]
    shapes[wrong] = (7, 6)
    with pytest.raises(ValueError, match="dense_backward: ") as raised:
        ds.ops.dense_backward(*(np.zeros(shape) for shape in shapes), "tanh")
    assert "7" in str(raised.value) or "6" in str(raised.value)
