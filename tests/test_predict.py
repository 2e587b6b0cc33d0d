"""Network.predict: the forward pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import architectures, mlp, problems
from tolerances import assert_close, same_bits, tolerance


@given(problems())
def test_predict_equals_the_reference(case):
    network = case.architecture.network()
    outputs = network.predict(case.X)
    expected = case.architecture.reference(network.parameters()).predict(case.X)
    assert outputs.dtype == case.architecture.dtype
    assert_close(outputs, expected, tolerance(case.architecture.dtype, *case.sums))


@given(architectures(), st.integers(1, 100))
def test_a_row_is_predicted_the_same_alone_and_among_others(architecture, rows):
    network = architecture.network()
    X = np.random.default_rng(rows).normal(size=(rows, architecture.inputs))
    together = network.predict(X)
    alone = np.concatenate([network.predict(X[row : row + 1]) for row in range(0, rows, 7)])
    assert same_bits(alone, together[::7])


def test_the_outputs_are_the_callers_own():
    network = mlp(3, 2).network()
    X = np.ones((4, 3))
    first = network.predict(X)
    kept = first.copy()
    network.predict(2 * X)
    assert same_bits(first, kept)
    first[:] = 0
    assert same_bits(network.predict(X), kept)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 1000])
def test_many_rows_equal_the_reference(rows):
    architecture = mlp(20, 40, 30, activation="relu", dtype="float32")
    network = architecture.network()
    X = np.random.default_rng(rows).normal(size=(rows, 20)).astype("float32")
    expected = architecture.reference(network.parameters()).predict(X)
    assert_close(network.predict(X), expected, tolerance("float32", 20, 40))
