"""Initial parameters: the reference's draws, their moments and limits; biases are zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference import initializers
from strategies import SEEDS, mlp
from tolerances import same_bits

names = st.sampled_from(ds.initializers())


def weights(name, inputs, units, dtype="float64", seed=0):
    return mlp(inputs, units, dtype=dtype, init=name, seed=seed).network().parameters()[0][0]


@given(
    names, st.integers(1, 70), st.integers(1, 70), SEEDS, st.sampled_from(["float32", "float64"])
)
def test_weights_are_the_reference_draws(name, inputs, units, seed, dtype):
    drawn = weights(name, inputs, units, dtype, seed)
    expected = initializers.draw(name, inputs, units, 0, seed)
    # The logarithm of the polar method may differ in its last bits from one libm to another.
    assert np.all(np.abs(drawn - expected) <= 4 * np.spacing(np.abs(expected).astype(dtype)))


@given(names, SEEDS)
def test_each_layer_has_a_stream_of_its_own(name, seed):
    network = mlp(5, 6, 7, 8, init=name, seed=seed).network()
    for layer, (w, b) in enumerate(network.parameters()):
        expected = initializers.draw(name, *w.shape, layer, seed)
        assert np.all(np.abs(w - expected) <= 4 * np.spacing(np.abs(expected)))
        assert not b.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ds.initializers())
def test_moments_are_those_of_the_distribution(name, dtype):
    inputs, units = 300, 200
    w = weights(name, inputs, units, dtype).astype("float64").ravel()
    scale = initializers.scale(name, inputs, units)
    uniform = initializers.is_uniform(name)
    deviation = scale / np.sqrt(3) if uniform else scale
    kurtosis = 1.8 if uniform else 3.0
    count = w.size
    assert abs(w.mean()) < 5 * deviation / np.sqrt(count)
    assert abs(w.var() / deviation**2 - 1) < 5 * np.sqrt((kurtosis - 1) / count)
    assert abs((w**4).mean() / deviation**4 / kurtosis - 1) < 0.1


@pytest.mark.parametrize("name", [n for n in ds.initializers() if initializers.is_uniform(n)])
def test_uniform_draws_fill_their_limits(name):
    limit = initializers.scale(name, 300, 200)
    w = np.abs(weights(name, 300, 200))
    assert 0.999 * limit < w.max() <= limit


@pytest.mark.parametrize("name", [n for n in ds.initializers() if not initializers.is_uniform(n)])
def test_normal_draws_are_not_truncated(name):
    w = np.abs(weights(name, 300, 200)) / initializers.scale(name, 300, 200)
    # Of 60,000 normal draws 162 lie beyond 3 standard deviations, and 4 beyond 4.
    assert 100 < (w > 3).sum() < 230
    assert w.max() > 3.5


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    first, again, other = (mlp(5, 6, 3, seed=seed).network().parameters() for seed in (4, 4, 5))
    assert same_bits(first, again)
    assert not np.intersect1d(first[0][0], other[0][0]).size


def test_seeds_differ_in_their_high_word_too():
    assert not np.intersect1d(
        weights("he_normal", 4, 5, seed=1), weights("he_normal", 4, 5, seed=1 + 2**32)
    ).size


def test_float32_is_float64_rounded():
    wide, narrow = (weights("glorot_normal", 20, 30, dtype) for dtype in ("float64", "float32"))
    assert same_bits(narrow, wide.astype("float32"))
