"""Any real array, in any layout, means its numbers: nothing is truncated, nothing modified."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from strategies import DTYPES, LAYOUTS, layouts, mlp, problem, problems
from tolerances import same_bits

KINDS = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "longdouble",
]


@given(problems(), layouts, layouts, layouts)
def test_layout_does_not_change_the_bits(case, x_layout, y_layout, weight_layout):
    network = case.architecture.network()
    weights = np.ones(case.rows) if case.sample_weight is None else case.sample_weight
    X, y, w = LAYOUTS[x_layout](case.X), LAYOUTS[y_layout](case.y), LAYOUTS[weight_layout](weights)
    expected = network.loss_and_gradient(case.X, case.y, case.loss, weights)
    assert same_bits(list(network.loss_and_gradient(X, y, case.loss, w)), list(expected))
    assert same_bits(network.predict(X), network.predict(case.X))


@given(problems(), layouts, layouts, st.sampled_from([1, 7, None]))
def test_layout_does_not_change_training(case, x_layout, y_layout, batch_size):
    X, y = LAYOUTS[x_layout](case.X), LAYOUTS[y_layout](case.y)
    results = []
    for data in ((case.X, case.y), (X, y)):
        trainer = ds.Trainer(case.architecture.network(), loss=case.loss, batch_size=batch_size)
        losses = [trainer.run_epoch(*data), trainer.step(*data)]
        results.append([losses, trainer.network.parameters()])
    assert same_bits(*results)


@given(st.sampled_from(KINDS), DTYPES, layouts)
def test_every_real_dtype_means_its_numbers(kind, dtype, layout):
    network = mlp(5, 9, 2, dtype=dtype).network()
    values = np.random.default_rng(0).integers(0, 2 if kind == "bool" else 100, (11, 5))
    expected = network.predict(values.astype(dtype))
    assert same_bits(network.predict(LAYOUTS[layout](values.astype(kind))), expected)


@pytest.mark.parametrize("kind", ["int64", "float64", "longdouble"])
def test_wide_numbers_round_once_to_float32(kind):
    network = mlp(2, 3, dtype="float32").network()
    values = np.array([[2**24 + 1, 2**31 + 129], [123456789, -(2**40) - 1]])
    expected = network.predict(values.astype("float32"))
    assert same_bits(network.predict(values.astype(kind)), expected)


class ArrayProtocol:
    """An array of another library, as NumPy sees it."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def test_objects_with_the_array_protocol_are_arrays():
    network = mlp(2, 3).network()
    X = np.random.default_rng(0).normal(size=(4, 2))
    assert same_bits(network.predict(ArrayProtocol(X)), network.predict(X))


def test_memory_views_and_subclasses_are_arrays():
    network = mlp(2, 3).network()
    X = np.random.default_rng(0).normal(size=(4, 2))
    expected = network.predict(X)
    assert same_bits(network.predict(memoryview(X)), expected)
    assert same_bits(network.predict(X.view(np.memmap)), expected)


def test_subnormal_inputs_are_taken():
    network = mlp(2, 3, dtype="float32").network()
    assert np.isfinite(network.predict(np.full((1, 2), 1e-40, "float32"))).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_targets_of_one_output_may_be_one_dimensional(layout):
    case = problem(mlp(3, 1), "squared_error", 10)
    network = case.architecture.network()
    flat, column = LAYOUTS[layout](case.y[:, 0]), case.y
    assert same_bits(
        list(network.loss_and_gradient(case.X, flat, case.loss)),
        list(network.loss_and_gradient(case.X, column, case.loss)),
    )
