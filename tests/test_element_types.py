"""Data of any real type train as the array converted beforehand would, bit for bit."""

import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import descend as ds
from element_types_run import DTYPES, KINDS, THREADS, hostile, strided
from processes import lines_of_each_kernel_set
from strategies import LAYOUTS, layouts, mlp
from tolerances import same_bits


@pytest.fixture(scope="module")
def digests():
    """{(kind, dtype): the digests of every kernel set and number of threads}."""
    found = {}
    for lines in lines_of_each_kernel_set("-W", "error", "element_types_run.py").values():
        for line in lines:
            kind, dtype, as_is, converted = line.split()
            found.setdefault((kind, dtype), []).extend([as_is, converted])
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_training_equals_that_on_converted_data_on_every_kernel_set(digests, kind, dtype):
    isas = ds.build_info()["available_isas"]
    of_this = digests[kind, dtype]
    assert len(of_this) == 2 * len(isas) * len(THREADS)
    assert len(set(of_this)) == 1, of_this


def test_the_trainings_differ_from_type_to_type(digests):
    # Whole numbers of several types are drawn alike; those of a type's own range are not.
    assert len({tuple(found) for found in digests.values()}) == len(digests)


def identity(columns, dtype):
    """Return a network whose outputs are its inputs."""
    network = ds.Network(columns, [ds.Dense(columns)], dtype=dtype)
    network.set_parameters([(np.eye(columns), np.zeros(columns))])
    return network


def converted(values, dtype):
    """Return what NumPy makes of ``values``, subnormal numbers flushed as the arithmetic does."""
    result = values.astype(dtype)
    return np.where(np.abs(result) < np.finfo(dtype).tiny, np.zeros((), dtype), result)


def finite_in(values, dtype):
    with np.errstate(over="ignore"):
        return values[np.isfinite(values.astype(dtype))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), layout=layouts, seed=st.integers(0, 99))
def test_numbers_are_converted_as_numpy_does(kind, dtype, rows, columns, layout, seed):
    pool = finite_in(hostile(kind), dtype)
    X = np.random.default_rng(seed).choice(pool, (rows, columns))
    if layout == "list":  # whose numbers NumPy gives a type of its own
        layout = "contiguous"
    outputs = identity(columns, dtype).predict(LAYOUTS[layout](X))
    # Adding the bias makes every zero positive.
    assert same_bits(outputs, converted(X, dtype) + np.zeros((), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_finite_float16_is_converted_exactly(dtype):
    values = np.arange(2**16, dtype="uint16").view("float16")
    X = values[np.isfinite(values)].reshape(-1, 16)
    expected = X.astype(dtype) + np.zeros((), dtype)
    assert same_bits(identity(16, dtype).predict(X), expected)
    assert same_bits(identity(16, dtype).predict(strided(X)), expected)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_subnormal_numbers_keep_their_value_in_a_wider_dtype(kind):
    X = np.array([[1e-40, -3e-45]], kind)
    expected = X.astype("float64")
    assert same_bits(identity(2, "float64").predict(X), expected)


def test_a_boolean_is_one_whatever_its_byte():
    X = np.array([[0, 1, 2, 128, 255]], "uint8").view(bool)
    assert identity(5, "float32").predict(X).tolist() == [[0, 1, 1, 1, 1]]


@pytest.mark.parametrize("kind", ["uint8", "float16", "float32", "float64"])
def test_rows_may_overlap(kind):
    series = np.random.default_rng(0).integers(0, 50, 300).astype(kind)
    X = sliding_window_view(series, 20)
    assert X.strides[0] < X.shape[1] * X.itemsize
    network = mlp(20, 7, 2, dtype="float32").network()
    assert same_bits(network.predict(X), network.predict(X.astype("float32")))


LABEL_KINDS = [kind for kind in KINDS if not kind.startswith("float")]


@pytest.mark.parametrize("kind", LABEL_KINDS)
@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"list"}))
def test_class_indices_of_every_integer_type_mean_the_same(kind, layout):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 4)), rng.integers(0, 2, 50)
    network = mlp(4, 5, 2).network()
    given_labels = LAYOUTS[layout](y.astype(kind))
    results = [
        list(network.loss_and_gradient(X, labels, "softmax_cross_entropy"))
        for labels in (y, given_labels)
    ]
    assert same_bits(*results)


@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "uint32", "int64", "uint64"])
def test_a_class_index_out_of_range_is_refused_in_every_type(kind):
    network = mlp(4, 5, 2).network()
    y = np.zeros(50, kind)
    y[33] = np.iinfo(kind).max
    with pytest.raises(ValueError, match=rf"y has class {min(int(y[33]), 2**63 - 1)} at row 33"):
        network.loss_and_gradient(np.ones((50, 4)), y, "softmax_cross_entropy")


BAD = [
    ("float16", "float32", np.nan, "is nan"),
    ("float16", "float64", np.inf, "is inf"),
    ("float32", "float64", -np.inf, "is -inf"),
    ("float64", "float32", np.nan, "is nan"),
    ("float64", "float32", 3.5e38, "range of float32"),
    ("float64", "float32", -float.fromhex("0x1.ffffffp127"), "range of float32"),
]


@pytest.mark.parametrize("place", [(0, 0), (12_345, 3), (59_999, 18)])
@pytest.mark.parametrize(("kind", "dtype", "value", "message"), BAD)
@pytest.mark.parametrize("spread", [False, True])
def test_the_first_number_that_is_not_finite_is_named(kind, dtype, value, message, place, spread):
    X = np.ones((60_000, 19), kind)
    if spread:
        X = strided(X)
    X[place] = X[-1, -1] = value
    network = mlp(19, 3, dtype=dtype).network()
    trainer = ds.Trainer(network, loss="squared_error", threads=2)
    before = network.parameters()
    for call in (network.predict, lambda X: trainer.fit(X, np.ones((60_000, 3), "int8"))):
        with pytest.raises(ValueError, match=rf"row {place[0]}, column {place[1]}") as raised:
            call(X)
        assert message in str(raised.value)
    good = np.ones((1, 19)), np.ones((1, 3))
    with pytest.raises(ValueError, match="validation_data: X is"):
        trainer.fit(*good, validation_data=(X, np.ones((60_000, 3))))
    assert (trainer.epoch, trainer.steps) == (0, 0)
    assert same_bits(network.parameters(), before)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_the_first_number_that_is_not_finite_is_found_by_several_threads(kind, threads):
    # Rows that overlap: worth several threads, and small. Row r is series[r : r + 200].
    series = np.ones(500_000, kind)
    X = sliding_window_view(series, 200)
    network = mlp(200, 1, dtype="float32").network()
    for place in (499_999, 333_333, 123_456):
        series[place] = np.nan
        with pytest.raises(ValueError, match=rf"row {place - 199}, column 199"):
            network.predict(X, threads=threads)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_targets_that_are_not_finite_are_refused(kind):
    y = np.ones((5000, 3), kind)
    y[4321, 1] = np.nan
    trainer = ds.Trainer(mlp(2, 3, dtype="float32").network(), loss="squared_error")
    with pytest.raises(ValueError, match="y is nan at row 4321, column 1"):
        trainer.fit(np.ones((5000, 2), "uint8"), y)
    assert trainer.epoch == 0


def test_targets_of_whole_numbers_are_held_to_the_losss_range():
    run = ds.Trainer(mlp(2, 3).network(), loss="sigmoid_cross_entropy")
    X, y = np.ones((2000, 2), "int8"), np.ones((2000, 3), "uint8")
    run.fit(X, y)
    y[1999, 2] = 2
    with pytest.raises(ValueError, match="y is 2 at row 1999, column 2"):
        run.fit(X, y)


def test_an_interrupt_ends_the_check_of_a_large_data_set():
    # Rows that overlap, to be long without memory: some seconds of reading.
    X = sliding_window_view(np.ones(8_000_000, "float32"), 8000)
    y = np.zeros(len(X), "uint8")
    network = mlp(8000, 2, dtype="float32").network()
    run = ds.Trainer(network, loss="softmax_cross_entropy", threads=1)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.fit(X, y)
    timer.join()
    assert (run.epoch, run.steps) == (0, 0)
    assert np.isfinite(run.step(X[:9], y[:9]))
