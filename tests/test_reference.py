"""The reference against published answers and against itself; the core takes no part."""

import numpy as np
import pytest

from reference import initializers
from reference.activations import ACTIVATIONS
from reference.dropout import mask
from reference.losses import LOSSES
from reference.network import Layer, Network
from reference.philox import Stream, philox4x32
from reference.shuffle import permutation
from strategies import targets
from tolerances import assert_close

# Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, result.
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter, key, words):
    assert tuple(philox4x32(counter, key)) == words


def test_a_stream_is_the_same_in_pieces():
    whole = Stream(5, 6, 7).take(23)
    pieces = Stream(5, 6, 7)
    assert np.array_equal(np.concatenate([pieces.take(n) for n in (1, 4, 0, 7, 11)]), whole)


def test_the_permutations_of_four_rows_are_uniform():
    draws = 4800
    orders = [tuple(permutation(4, seed, epoch=seed % 3)) for seed in range(draws)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    expected = draws / 24
    assert len(counts) == 24
    # 49.7 is exceeded once in a thousand with 23 degrees of freedom.
    assert ((counts - expected) ** 2 / expected).sum() < 49.7


def test_masks_keep_the_fraction_asked_for():
    factors = mask(0.3, np.arange(500), 40, seed=1, third=0, fourth=3 << 24)
    assert set(np.unique(factors)) == {0.0, 1 / 0.7}
    assert abs((factors == 0).mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / factors.size)


@pytest.mark.parametrize("name", sorted(set(initializers.INITIALIZERS)))
def test_layers_draw_different_weights(name):
    first, second = (initializers.draw(name, 3, 4, layer, seed=0) for layer in (0, 1))
    assert not np.intersect1d(first, second).size


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_backpropagation_matches_central_differences(activation, loss):
    rng = np.random.default_rng(0)
    network = Network(3, [Layer(4, activation), Layer(2, activation)], init="he_normal", seed=1)
    # Biases away from 0: a row whose units are all inactive would sit on the next layer's kink.
    for _, bias in network.parameters:
        bias[:] = rng.normal(size=bias.shape)
    X, y = rng.normal(size=(5, 3)), targets(loss, 5, 2, rng)
    weights = rng.random(5)
    _, gradient = network.loss_and_gradient(X, y, loss, weights)
    h = 1e-6
    for parameters, derivatives in zip(network.parameters, gradient, strict=True):
        for theta, g in zip(parameters, derivatives, strict=True):
            numeric = np.empty_like(theta)
            for index in np.ndindex(theta.shape):
                value = theta[index]
                theta[index] = value + h
                above = network.loss_and_gradient(X, y, loss, weights)[0]
                theta[index] = value - h
                below = network.loss_and_gradient(X, y, loss, weights)[0]
                theta[index] = value
                numeric[index] = (above - below) / (2 * h)
            assert_close(g, numeric, 1e-6)
