"""Sparse rows of few numbers: products walk these alone, with the bits of the dense matrix."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.network import Layer
from sparse_rows import Csr, csr, everything
from strategies import DTYPES, SEEDS, Architecture, batch_sizes, losses, problem
from tolerances import same_bits

# Up to a fifth of a row's columns is walked, from 64 columns on, or of few units and 256 columns a
# twentieth.
COLUMNS = st.sampled_from([50, 63, 64, 65, 128, 192, 255, 256, 500])
UNITS = st.sampled_from([1, 3, 15, 16, 17, 48, 64, 65, 100])
DENSITIES = [0.0, 0.0, 0.01, 0.04, 0.12]
KINDS = st.sampled_from(["bool", "uint8", "int64", "float16", "float32", "float64"])
INDICES = st.sampled_from(["int32", "int64"])


def sorted_rows(X):
    """Return the same places in ascending order, with the values as they stood."""
    ends = zip(X.indptr[:-1], X.indptr[1:], strict=True)
    indices = X.indices.copy()
    for begin, end in ends:
        indices[begin:end].sort()
    return replace(X, indices=indices)


@st.composite
def rows_of_few_numbers(draw, columns, most_rows=300):
    """Draw such rows, of which one may have more, with zeros of both signs among the values."""
    seed = draw(SEEDS) % 2**32
    rng = np.random.default_rng(seed)
    rows = draw(st.one_of(st.integers(1, 9), st.integers(1, most_rows)))
    density = rng.choice(DENSITIES, rows)
    density[rng.integers(rows)] = draw(st.sampled_from([0.0, 0.0, 0.05, 0.3, 1.0]))
    X = csr(rows, columns, density, seed, draw(KINDS), draw(INDICES), draw(st.integers(0, 3)))
    # Numbers that no loss overflows.
    X.data[np.abs(X.data.astype("float64")) > 10] = 1
    return sorted_rows(X) if draw(st.booleans()) else X


@given(
    data=st.data(),
    columns=COLUMNS,
    units=UNITS,
    loss=losses,
    dtype=DTYPES,
    drops_inputs=st.booleans(),
    options=st.sampled_from([{}, {"clip_norm": 0.1}, {"l2": 0.1}, {"track_gradient_noise": True}]),
    seed=st.integers(0, 99),
)
def test_every_figure_is_that_of_the_dense_matrix(
    data, columns, units, loss, dtype, drops_inputs, options, seed
):
    X = data.draw(rows_of_few_numbers(columns))
    rows = X.shape[0]
    layers = Layer(units, "tanh", 0.0), Layer(3, "identity", 0.0)
    rate = 0.5 if drops_inputs else 0.0
    architecture = Architecture(columns, layers, dtype, seed=seed, input_dropout=rate)
    case = problem(architecture, loss, rows, seed, weights=data.draw(st.booleans()))
    options = {
        "batch_size": data.draw(batch_sizes(rows)),
        "threads": data.draw(st.sampled_from([1, 2, 3, 4])),
        "seed": seed,
        **options,
    }
    order = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=9))
    order += list(range(rows))  # of which some have weight
    expected = everything(case, X.toarray(), options, order)
    assert same_bits(everything(case, X, options, order), expected)


@given(data=st.data(), columns=COLUMNS, units=UNITS, dtype=DTYPES, threads=st.integers(1, 3))
def test_a_layer_gives_the_product_with_the_numbers(data, columns, units, dtype, threads):
    X = data.draw(rows_of_few_numbers(columns))
    network = ds.Network(columns, [ds.Dense(units)], seed=0, dtype=dtype)
    rng = np.random.default_rng(0)
    y = rng.normal(size=(X.shape[0], units)).astype(dtype)
    [(weights, bias)] = network.parameters()
    dense = X.toarray().astype(dtype)
    outputs = network.predict(X, threads=threads)
    tolerance = {"rtol": 0, "atol": 1e-3 if dtype == "float32" else 1e-12}
    np.testing.assert_allclose(outputs, dense @ weights + bias, **tolerance)
    J, [(d_w, d_b)] = network.loss_and_gradient(X, y, "squared_error", threads=threads)
    d_outputs = (outputs - y) / len(y)
    np.testing.assert_allclose(J, ((outputs - y) ** 2).sum() / 2 / len(y), rtol=1e-4)
    np.testing.assert_allclose(d_w, dense.T @ d_outputs, **tolerance)
    np.testing.assert_allclose(d_b, d_outputs.sum(axis=0), **tolerance)
    # A column that no row has a number in has no gradient at all.
    assert not d_w[~dense.any(axis=0)].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", [0, 1, 40, 255, 256, 257, 700])
def test_rows_of_any_length_are_walked_whole(dtype, stored):
    X = csr(9, 7000, 1.0, kind=dtype)
    X = Csr(X.data, X.indices, np.arange(10) * stored, X.shape)
    X.data[np.abs(X.data) > 10] = 1
    assert X.indptr[-1] <= len(X.data)
    case = problem(Architecture(7000, (Layer(16, "tanh", 0.0),), dtype), "squared_error", 9)
    options = {"batch_size": 4, "threads": 2}
    expected = everything(case, X.toarray(), options, [3, 1, 8])
    assert same_bits(everything(case, X, options, [3, 1, 8]), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [2, 4])
def test_workers_that_share_out_columns_walk_the_rows_of_all(dtype, threads):
    X = csr(150, 1500, 0.02, kind=dtype)
    X.data[np.abs(X.data) > 10] = 1
    layers = Layer(256, "tanh", 0.0), Layer(3, "identity", 0.0)
    case = problem(Architecture(1500, layers, dtype), "softmax_cross_entropy", 150)
    options = {"batch_size": 150, "threads": threads}
    expected = everything(case, X.toarray(), {**options, "threads": 1}, range(150))
    assert same_bits(everything(case, X, options, range(150)), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_walked_where_nobody_checks(value):
    X = csr(50, 1000, 0.02, kind="float64")
    X.data[np.abs(X.data) > 10] = 1
    X.data[X.indptr[20]] = value

    def message(rows):
        network = ds.Network.mlp([1000, 20, 2], seed=0, dtype="float64")
        trainer = ds.Trainer(network, "squared_error", batch_size=10, shuffle=False)
        with pytest.raises(FloatingPointError) as raised:
            trainer.run_epoch(rows, np.ones((50, 2)), check_finite=False)
        return [str(raised.value), trainer.steps, network.parameters()]

    found, expected = message(X), message(X.toarray())
    assert found[:2] == expected[:2]
    assert found[1] == 2
    assert same_bits(found[2], expected[2])


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_an_update_that_overflows_by_its_inputs_is_refused(form):
    X = csr(40, 1000, 0.02, kind="float32")
    X.data[:] = 1e30
    network = ds.Network(1000, [ds.Dense(20)], dtype="float32")
    network.set_parameters([(np.zeros((1000, 20), "float32"), np.zeros(20, "float32"))])
    trainer = ds.Trainer(network, "squared_error", ds.SGD(1.0))
    # The loss is finite, d_z too, but not their products with the inputs.
    with pytest.raises(FloatingPointError, match=r"the update of step 1 .* overflows float32"):
        trainer.step(X.toarray() if form == "dense" else X, np.full((40, 20), 1e12))
    assert not network.parameters()[0][0].any()
    assert trainer.steps == 0


@pytest.mark.parametrize("columns", [64, 300])
@pytest.mark.parametrize("units", [4, 16, 32, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zeros_are_passed_over_in_the_rows_in_which_dense_ones_are(dtype, units, columns):
    # A product that vanishes leaves -0; one of a zero with a positive weight would make it 0.
    counts = np.arange(1, columns + 1)
    indices = np.concatenate([np.arange(count) for count in counts])
    values = np.ones(len(indices), dtype)
    ends = np.concatenate([[0], np.cumsum(counts)])
    values[ends[:-1]] = np.finfo(dtype).tiny
    weights = np.ones((columns, units), dtype)
    network = ds.Network(columns, [ds.Dense(units)], dtype=dtype)
    for row in range(columns):
        count = counts[row]
        weights[:count] = -0.0
        weights[0] = -np.finfo(dtype).tiny
        weights[count:] = 1.0
        network.set_parameters([(weights, np.full(units, -0.0, dtype))])
        begin, end = ends[row], ends[row + 1]
        X = Csr(values[begin:end], indices[begin:end], np.array([0, count]), (1, columns))
        # Twice, so that they are not among the few rows that no zeros are looked for in.
        X = Csr(*(np.tile(part, 20) for part in (X.data, X.indices)), np.arange(21) * count, None)
        X = replace(X, shape=(20, columns))
        assert same_bits(network.predict(X), network.predict(X.toarray())), count


@pytest.mark.parametrize("spoil", [("indices", 2**40), ("indices", -1), ("indptr", 2**40)])
def test_arrays_that_a_callback_spoils_are_not_left(spoil):
    name, value = spoil
    X = csr(200, 1000, 0.02, index="int64")
    X.data[np.abs(X.data) > 10] = 1
    trainer = ds.Trainer(ds.Network.mlp([1000, 20, 2]), "squared_error", batch_size=50)

    def change(trainer, report):
        getattr(X, name)[::2] = value

    trainer.fit(X, np.ones((200, 2)), epochs=3, callbacks=[change])
    assert trainer.steps == 12


def test_a_trainer_takes_rows_of_one_kind_after_those_of_another():
    few, more = csr(60, 400, 0.01, 1), csr(60, 400, 0.06, 2)
    many = csr(60, 400, 0.5, 3)
    for X in (few, more, many):
        X.data[np.abs(X.data) > 10] = 1
    y = np.random.default_rng(0).integers(0, 3, 60)

    def trained(kind):
        trainer = ds.Trainer(ds.Network.mlp([400, 20, 3], seed=0), "softmax_cross_entropy")
        for X in (few, many, more, few.toarray(), more, many, few):
            X = X.toarray() if kind == "dense" and isinstance(X, Csr) else X
            trainer.fit(X, y, epochs=1)
            trainer.step(X[:7], y[:7])
        return trainer.network.parameters()

    assert same_bits(trained("sparse"), trained("dense"))
