"""Activations over the whole range of arguments, element by element.

dense_forward with w = [[1]] and b = [0] is the activation alone: z = x.
"""

import numpy as np
import pytest

import descend as ds
from reference.activations import ACTIVATIONS
from tolerances import ulps

DTYPES = ["float32", "float64"]
# Own polynomials, and the few operations around them.
MOST_ULPS = 4


def arguments(dtype):
    """Return numbers of every exponent and both signs, densest where the functions bend."""
    dense = np.linspace(1e-3, 20, 4000)
    bits = np.dtype(dtype).itemsize * 8
    patterns = (np.arange(30_000) * (2**bits // 30_000)).astype(f"uint{bits}")
    everywhere = patterns.view(dtype)
    everywhere = everywhere[np.isfinite(everywhere)]
    # The core counts subnormal numbers as zero.
    everywhere = everywhere[np.abs(everywhere) >= np.finfo(dtype).tiny]
    return np.concatenate([-dense, [0.0], dense, everywhere]).astype(dtype)


def forward(name, z):
    one = np.ones((1, 1), z.dtype)
    return ds.ops.dense_forward(z[:, None], one, np.zeros(1, z.dtype), activation=name)[:, 0]


def backward(name, z):
    """Return f'(z), as backpropagation of ones through one unit."""
    one = np.ones((1, 1), z.dtype)
    d_a = np.ones((len(z), 1), z.dtype)
    z_or_a = z if name in ("gelu", "silu") else forward(name, z)
    d_x, _, _ = ds.ops.dense_backward(d_a, z[:, None], one, z_or_a[:, None], name)
    return d_x[:, 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ds.activations())
def test_values_equal_the_reference_to_a_few_ulps(name, dtype):
    z = arguments(dtype)
    a = forward(name, z)
    wide = z.astype(np.float64)
    expected = ACTIVATIONS[name].f(wide)
    # Below the normal numbers results are flushed to zero, and so are factors of z.
    smallest = 2 * np.finfo(dtype).tiny * np.maximum(1, np.abs(wide))
    normal = np.abs(expected) > smallest
    allowed = np.full(z.size, float(MOST_ULPS))
    if dtype == "float64":
        # Neither side has digits to spare: rounding the argument of exp counts in the tails.
        slope = wide * ACTIVATIONS[name].derivative(wide)
        allowed[normal] *= np.maximum(1, np.abs(slope[normal] / expected[normal]))
    excess = np.where(normal, ulps(a, expected) / allowed, 0)
    worst = np.argmax(excess)
    assert excess[worst] <= 1, f"{name}({z[worst]!r}) is {a[worst]!r}, not {expected[worst]!r}"
    assert (np.abs(a) <= 2 * smallest)[~normal].all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ds.activations())
def test_derivatives_equal_the_reference(name, dtype):
    z = arguments(dtype)
    expected = ACTIVATIONS[name].derivative(z.astype(np.float64))
    # 1 - a^2 cancels where a is near 1: absolute, in units of the derivative's largest value.
    error = np.abs(backward(name, z) - expected)
    worst = z[error.argmax()]
    assert error.max() <= 16 * np.finfo(dtype).eps, f"{name} {dtype} at {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ds.activations())
def test_large_arguments_stay_finite(name, dtype):
    z = np.array([-1e30, -1e4, 1e4, 1e30], dtype)
    assert np.isfinite(forward(name, z)).all()
    assert np.isfinite(backward(name, z)).all()


@pytest.mark.parametrize("name", ds.activations())
def test_zero_is_where_the_formula_says(name):
    z = np.zeros(3, "float32")
    expected = ACTIVATIONS[name].f(np.zeros(3))
    assert np.array_equal(forward(name, z), expected.astype("float32"))
    slope = ACTIVATIONS[name].derivative(np.zeros(3))
    assert np.array_equal(backward(name, z), slope.astype("float32"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_and_identity_are_exact(dtype):
    z = arguments(dtype)
    assert np.array_equal(forward("identity", z), z)
    assert np.array_equal(forward("relu", z), np.maximum(z, 0))
