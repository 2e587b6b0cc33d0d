"""Sparse rows (CSR) train as their dense copy would, bit for bit, without that copy."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from processes import lines_of_each_kernel_set
from sparse_rows import Csr, csr, everything
from sparse_rows_run import DTYPES, INDICES, KINDS, THREADS
from strategies import architectures, batch_sizes, losses, mlp, problem
from tolerances import same_bits

# ---- the bits of the dense matrix --------------------------------------------------------------


@pytest.fixture(scope="module")
def digests():
    """{(kind, dtype): the digests of every kernel set and number of threads}."""
    found = {}
    for lines in lines_of_each_kernel_set("-W", "error", "sparse_rows_run.py").values():
        for line in lines:
            kind, dtype, sparse, dense = line.split()
            found.setdefault((kind, dtype), []).extend([sparse, dense])
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [*KINDS, "wide"])
def test_training_equals_that_on_the_dense_copy_on_every_kernel_set(digests, kind, dtype):
    of_this = digests[kind, dtype]
    assert len(of_this) == 2 * len(THREADS) * len(ds.build_info()["available_isas"])
    assert len(set(of_this)) == 1, of_this


@given(
    data=st.data(),
    architecture=architectures(dropout=True),
    loss=losses,
    rows=st.integers(1, 40),
    density=st.sampled_from([0.0, 0.05, 0.4, 1.0]),
    kind=st.sampled_from(["bool", "uint8", "float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_every_figure_is_that_of_the_dense_matrix(
    data, architecture, loss, rows, density, kind, seed
):
    case = problem(architecture, loss, rows, seed, weights=data.draw(st.booleans()))
    index = data.draw(st.sampled_from(INDICES))
    around = data.draw(st.integers(0, 3))
    X = csr(rows, architecture.inputs, density, seed, kind, index, around)
    # Numbers that no loss overflows.
    X.data[np.abs(X.data.astype("float64")) > 10] = 1
    options = {
        "batch_size": data.draw(batch_sizes(rows)),
        "threads": data.draw(st.sampled_from([1, 2, 3])),
        "seed": seed,
    }
    order = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=9))
    order += list(range(rows))  # of which some have weight
    expected = everything(case, X.toarray(), options, order)
    assert same_bits(everything(case, X, options, order), expected)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("stored", [255, 256, 257, 512, 700])
def test_long_rows_are_taken_whole(kind, stored):
    X = csr(5, 700, 1.0, 0, kind)
    X.indptr = np.minimum(X.indptr, stored)
    assert X.indptr[-1] == stored
    network = mlp(700, 9, 2, dtype="float32").network()
    assert same_bits(network.predict(X), network.predict(X.toarray()))


# ---- in what forms they come -------------------------------------------------------------------


def spread(array):
    wide = np.zeros(3 * len(array), array.dtype)
    wide[1::3] = array
    return wide[1::3]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


FORMS = {
    "spread": lambda X: Csr(spread(X.data), spread(X.indices), spread(X.indptr), X.shape),
    "read-only": lambda X: Csr(*map(read_only, (X.data, X.indices, X.indptr)), X.shape),
    "big-endian": lambda X: Csr(
        X.data.astype(">f4"), X.indices.astype(">i4"), X.indptr.astype(">i8"), X.shape
    ),
    "lists": lambda X: Csr(X.data.tolist(), X.indices.tolist(), X.indptr.tolist(), list(X.shape)),
    "indices of other types": lambda X: replace(
        X, indices=X.indices.astype("uint16"), indptr=X.indptr.astype("uint64")
    ),
    "int32 beside int64": lambda X: replace(X, indptr=X.indptr.astype("int64")),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_arrays_may_be_of_any_form(form):
    X = csr(30, 12, 0.3)
    network = mlp(12, 5, 2).network()
    assert same_bits(network.predict(FORMS[form](X)), network.predict(X.toarray()))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("container", ["array", "matrix"])
@pytest.mark.filterwarnings("ignore:Constructing a DIA:Warning")
def test_every_format_of_scipy_is_taken(kind, container):
    sparse = pytest.importorskip("scipy.sparse")
    X = csr(40, 12, 0.3)
    given_rows = getattr(sparse, f"{kind}_{container}")(X.toarray())
    network = mlp(12, 5, 2).network()
    assert same_bits(network.predict(given_rows), network.predict(X.toarray()))


def test_what_becomes_csr_by_itself_adds_up_what_stands_in_one_place():
    sparse = pytest.importorskip("scipy.sparse")
    twice = sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(1, 3))
    network = mlp(3, 2).network()
    assert same_bits(network.predict(twice), network.predict([[0.0, 3.0, 0.0]]))


def test_splits_and_batches_of_sparse_rows_train_as_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.csr_array(csr(90, 12, 0.3, kind="float64").toarray())
    y = np.random.default_rng(0).integers(0, 2, 90)

    def results(X):
        X, X_test, y_train, y_test = ds.train_test_split(X, y, stratify=y)
        trainer = ds.Trainer(mlp(12, 5, 2).network(), "softmax_cross_entropy")
        batches = [(X[:20], y_train[:20]), (X[20:], y_train[20:])]
        history = trainer.fit(
            batches, epochs=3, validation_data=(X_test, y_test), metrics=["accuracy"]
        )
        return [history.loss, history.validation_loss, trainer.network.parameters()]

    assert same_bits(results(rows), results(rows.toarray()))


def test_a_report_of_batch_sizes_takes_them():
    X = csr(64, 12, 0.3)
    trainer = ds.Trainer(mlp(12, 5, 2).network(), "softmax_cross_entropy")
    y = np.random.default_rng(0).integers(0, 2, 64)
    report = ds.batch_size_report(trainer, X, y, sizes=[8, 16], seconds=0.1)
    dense = ds.batch_size_report(trainer, X.toarray(), y, sizes=[8, 16], seconds=0.1)
    assert report.noise.variance == dense.noise.variance


def test_scipy_is_not_imported():
    code = """
import sys
import numpy as np
import descend as ds
from sparse_rows import csr
ds.Network.mlp([5, 2]).predict(csr(4, 5, 0.5))
sys.exit("scipy" in sys.modules)
"""
    folder = os.path.dirname(__file__)
    assert subprocess.run([sys.executable, "-c", code], cwd=folder).returncode == 0


# ---- what is refused ---------------------------------------------------------------------------


def small():
    """Return three rows: columns 1 and 3, none, and 0, 2 and 4 of 5."""
    values = np.arange(1.0, 6.0)
    return Csr(values, np.array([1, 3, 0, 2, 4], "int32"), np.array([0, 2, 2, 5], "int32"), (3, 5))


def put(name, place, value):
    def spoil(X):
        array = getattr(X, name).astype(np.result_type(getattr(X, name), np.asarray(value)))
        array[place] = value
        return replace(X, **{name: array})

    return spoil


def with_fields(**fields):
    return lambda X: replace(X, **fields)


BAD = {
    "a negative column": (put("indices", 3, -1), ValueError, "column index -1 in row 2", "0 to 4"),
    "a column too far": (put("indices", 1, 5), ValueError, "column index 5 in row 0", "5 columns"),
    "a column far away": (
        put("indices", 4, np.int64(2**62)),
        ValueError,
        f"column index {2**62} in row 2",
    ),
    "a column twice": (put("indices", 3, 4), ValueError, "column 4 twice in row 2", "sum_dup"),
    "a column beyond int64": (
        lambda X: replace(
            X,
            indices=put("indices", 3, 2**64 - 1)(
                replace(X, indices=X.indices.astype("uint64"))
            ).indices,
        ),
        ValueError,
        "column index -1 in row 2",
    ),
    "rows that go back": (put("indptr", 2, 1), ValueError, "indptr[2] is 1", "indptr[1] is 2"),
    "rows that begin before": (put("indptr", 0, -3), ValueError, "indptr[0] is -3"),
    "rows that end behind": (put("indptr", 3, 6), ValueError, "indptr[3] is 6", "5 values"),
    "rows that end far behind": (
        put("indptr", 3, np.int64(2**62)),
        ValueError,
        f"indptr[3] is {2**62}",
    ),
    "too few places": (with_fields(indptr=np.array([0, 5])), ValueError, "2 elements", "3 rows"),
    "too many places": (with_fields(indptr=np.arange(5)), ValueError, "5 elements", "3 rows"),
    "no places": (with_fields(indptr=np.array([], int)), ValueError, "0 elements", "3 rows"),
    "too few indices": (with_fields(indices=np.arange(4)), ValueError, "4 elements", "has 5"),
    "too many indices": (with_fields(indices=np.arange(6)), ValueError, "6 elements", "has 5"),
    "no values": (with_fields(data=np.array([])), ValueError, "X.indices has 5", "X.data has 0"),
    "values in rows": (with_fields(data=np.ones((5, 1))), ValueError, "X.data has shape (5, 1)"),
    "indices in rows": (with_fields(indices=np.ones((5, 1), int)), ValueError, "(5, 1)"),
    "fractions as indices": (with_fields(indices=np.ones(5)), TypeError, "X.indices", "float64"),
    "booleans as places": (with_fields(indptr=np.ones(4, bool)), TypeError, "X.indptr", "bool"),
    "complex values": (with_fields(data=np.ones(5, complex)), TypeError, "X.data", "complex128"),
    "values of objects": (with_fields(data=np.ones(5, object)), TypeError, "X.data", "object"),
    "no array of values": (with_fields(data=None), TypeError, "X.data is None"),
    "no array of indices": (with_fields(indices=None), TypeError, "X.indices is None"),
    "NaN": (put("data", 3, np.nan), ValueError, "nan", "row 2, column 2"),
    "infinity": (put("data", 0, np.inf), ValueError, "inf", "row 0, column 1"),
    "too few columns": (with_fields(shape=(3, 4)), ValueError, "(3, 4)", "5 inputs"),
    "too many columns": (with_fields(shape=(3, 2**62)), ValueError, f"(3, {2**62})", "5 inputs"),
    "too many rows": (with_fields(shape=(2**62, 5)), ValueError, "indptr has 4", f"{2**62} rows"),
    "rows beyond int64": (with_fields(shape=(2**63, 5)), ValueError, "rows", f"{2**63}"),
    "a negative number of rows": (with_fields(shape=(-1, 5)), ValueError, "rows", "-1"),
    "no rows": (with_fields(shape=(0, 5), indptr=np.zeros(1, int)), ValueError, "(0, 5)"),
    "one dimension": (with_fields(shape=(5,)), ValueError, "(5,)", "two dimensions"),
    "a shape of text": (with_fields(shape="35"), TypeError, "X.shape is a str"),
    "a shape of fractions": (with_fields(shape=(3.0, 5.0)), TypeError, "rows"),
    "no shape": (with_fields(shape=None), TypeError, "X.shape is a NoneType"),
}
ENTRY_POINTS = {
    "Trainer.fit": lambda run, X, y: run.fit(X, y),
    "Trainer.fit: validation_data": lambda run, X, y: run.fit(
        np.ones((3, 5)), y, validation_data=(X, y)
    ),
    "Trainer.run_epoch": lambda run, X, y: run.run_epoch(X, y),
    "Trainer.step": lambda run, X, y: run.step(X, y),
    "Trainer.evaluate": lambda run, X, y: run.evaluate(X, y),
    "Network.predict": lambda run, X, y: run.network.predict(X),
    "Network.loss_and_gradient": lambda run, X, y: run.network.loss_and_gradient(X, y, run.loss),
    "gradient_noise": lambda run, X, y: ds.gradient_noise(run.network, X, y, run.loss),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_arrays_that_do_not_go_together_are_refused(entry, case):
    spoil, kind, *parts = BAD[case]
    run = ds.Trainer(mlp(5, 4, 2).network(), "squared_error")
    before, y = run.network.parameters(), np.ones((3, 2))
    with pytest.raises(kind) as raised:
        ENTRY_POINTS[entry](run, spoil(small()), y)
    message = str(raised.value)
    assert [part for part in (f"{entry}: ", *parts) if part not in message] == [], message
    assert (run.epoch, run.steps) == (0, 0)
    assert same_bits(run.network.parameters(), before)
    ENTRY_POINTS[entry](run, small(), y)


@given(
    indptr=st.one_of(
        st.lists(st.integers(-2, 8), min_size=3, max_size=5),
        st.lists(st.integers(0, 7), min_size=4, max_size=4).map(sorted),
    ),
    indices=st.one_of(
        st.lists(st.integers(-2, 6), max_size=7), st.lists(st.integers(0, 4), min_size=7)
    ),
    index=st.sampled_from(INDICES),
)
def test_any_integers_are_rows_or_refused(indptr, indices, index):
    X = Csr(np.ones(len(indices)), np.array(indices, index), np.array(indptr, index), (3, 5))
    network = mlp(5, 4, 2).network()
    try:
        outputs = network.predict(X)
    except ValueError:
        rows = [indices[a:b] for a, b in pairwise(indptr)]
        ascend = indptr == sorted(indptr) and indptr[0] >= 0 and indptr[-1] <= len(indices)
        distinct = all(len(set(row)) == len(row) and set(row) <= set(range(5)) for row in rows)
        assert len(indptr) != 4 or not ascend or not distinct
    else:
        assert same_bits(outputs, network.predict(X.toarray()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_beyond_the_dtype_is_named_by_its_place(dtype):
    X = csr(3000, 200, 0.2, kind="float64")
    X.data[:] = 1
    row, place = 2345, 17
    found = X.indptr[row] + place
    X.data[found] = X.data[found + 90] = 1e300 if dtype == "float32" else -np.inf
    match = rf"row {row}, column {X.indices[found]}, expected finite"
    with pytest.raises(ValueError, match=match):
        mlp(200, 2, dtype=dtype).network().predict(X, threads=2)


@pytest.mark.parametrize("entry", ["fit", "run_epoch", "step", "evaluate"])
def test_only_inputs_may_be_sparse(entry):
    trainer = ds.Trainer(mlp(5, 2).network(), "squared_error")
    with pytest.raises(TypeError, match=r"y is a Csr, and sparse, .* y\.toarray\(\)"):
        getattr(trainer, entry)(small(), small())
    with pytest.raises(TypeError, match=r"sample_weight is a Csr, and sparse"):
        getattr(trainer, entry)(small(), np.ones((3, 2)), sample_weight=small())


def test_without_targets_they_are_no_batches():
    trainer = ds.Trainer(mlp(5, 2).network(), "squared_error")
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="y is missing"):
        trainer.fit(sparse.csr_array((3, 5)))


# ---- while they are read -----------------------------------------------------------------------


@pytest.mark.parametrize("spoil", [("indices", 2**40), ("indices", -(2**40)), ("indptr", 2**40)])
def test_arrays_that_a_callback_spoils_are_not_left(spoil):
    name, value = spoil
    X = csr(200, 30, 0.3, index="int64")
    trainer = ds.Trainer(mlp(30, 5, 2).network(), "squared_error", batch_size=50)

    def change(trainer, report):
        getattr(X, name)[::2] = value

    # What is trained on then is anybody's guess, but it is of the arrays' numbers.
    trainer.fit(X, np.ones((200, 2)), epochs=3, callbacks=[change])
    assert trainer.steps == 12


def test_an_interrupt_ends_the_check_of_many_places():
    # Pages of zeros, which take no memory; without the interrupt, the last place is found bad.
    rows = 100_000_000
    X = Csr(np.ones(0), np.zeros(0, "int32"), np.zeros(rows + 1, "int32"), (rows, 3))
    X.indptr[-1] = 1
    trainer = ds.Trainer(mlp(3, 2).network(), "softmax_cross_entropy", threads=1)
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as raised:
        trainer.fit(X, np.zeros(rows, "uint8"))
    timer.join()
    assert raised.value.__context__ is None  # not noticed behind an error


def test_interrupts_end_training_on_sparse_rows():
    X = csr(4000, 2000, 0.05)
    trainer = ds.Trainer(mlp(2000, 200, 2, dtype="float32").network(), "squared_error", threads=1)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, np.ones((4000, 2)), epochs=10**6)
    timer.join()
    assert np.isfinite(trainer.step(X[:9], np.ones((9, 2))))
