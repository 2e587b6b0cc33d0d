"""Data frames, series and tables of pandas, polars and pyarrow, wherever arrays are taken."""

import tracemalloc

import numpy as np
import pytest

import descend as ds
from descend.tables import as_array
from strategies import mlp, problem
from tolerances import same_bits

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

# Columns of these types beside each other, and what their values are.
COLUMNS = {
    "a": np.array([1.5, -2.0, 3.25, 0.0], "float32"),
    "b": np.array([2**53 + 2, -7, 0, 5], "int64"),
    "c": np.array([True, False, False, True]),
    "d": np.array([255, 0, 1, 2], "uint8"),
    "e": np.array([0.1, 0.2, 0.3, 0.4]),
}
MATRIX = np.column_stack([column.astype("float64") for column in COLUMNS.values()])

FRAMES = {
    "pandas": pandas.DataFrame,
    "pandas nullable": lambda columns: pandas.DataFrame(columns).convert_dtypes(),
    "pandas of arrow": lambda columns: pandas.DataFrame(columns).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "polars": polars.DataFrame,
    "arrow": pyarrow.table,
    "arrow batch": pyarrow.RecordBatch.from_pydict,
    "arrow in pieces": lambda columns: pyarrow.concat_tables(
        [pyarrow.table(columns).slice(0, 1), pyarrow.table(columns).slice(1)]
    ),
    "another library": lambda columns: Streamed(pyarrow.table(columns)),
}
SERIES = {
    "pandas": pandas.Series,
    "pandas nullable": lambda values: pandas.Series(values).convert_dtypes(),
    "polars": lambda values: polars.Series("a", values),
    "arrow": pyarrow.array,
    "arrow in pieces": lambda values: pyarrow.chunked_array([values[:1], values[1:]]),
    "another library": lambda values: Streamed(pyarrow.chunked_array([values])),
    "another library's array": lambda values: Exported(pyarrow.array(values)),
}


class Streamed:
    """What speaks Arrow's protocol of streams alone."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Exported:
    """What speaks Arrow's protocol of arrays alone."""

    def __init__(self, array):
        self.array = array

    def __arrow_c_array__(self, requested_schema=None):
        return self.array.__arrow_c_array__(requested_schema)


class DLPack:
    """What speaks DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_of_mixed_columns_means_its_numbers(kind):
    frame = FRAMES[kind](COLUMNS)
    network = mlp(5, 3).network()
    assert same_bits(network.predict(frame), network.predict(MATRIX))


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint64", "bool"])
def test_a_frame_of_one_type_means_its_numbers(kind, dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (7, 3)).astype(dtype)
    frame = FRAMES[kind]({str(j): X[:, j].copy() for j in range(3)})
    network = mlp(3, 2).network()
    assert same_bits(network.predict(frame), network.predict(X))
    if kind not in ("pandas nullable", "pandas of arrow"):  # which choose types of their own
        assert as_array("f", "X", frame).dtype == dtype


@pytest.mark.parametrize("kind", SERIES)
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
def test_a_series_means_its_numbers(kind, dtype):
    values = np.array([1, 0, 1, 1]).astype(dtype)
    outputs = np.random.default_rng(0).normal(size=(4, 2))
    expected = ds.ops.loss("softmax_cross_entropy", outputs, values)
    assert same_bits(
        list(ds.ops.loss("softmax_cross_entropy", outputs, SERIES[kind](values))), list(expected)
    )


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_are_taken_wherever_arrays_are(kind):
    case = problem(mlp(4, 6, 2), "squared_error", 30, seed=1, weights=True)
    frame = FRAMES[kind]({name: case.X[:, j].copy() for j, name in enumerate("abcd")})
    y_frame = FRAMES[kind]({name: case.y[:, j].copy() for j, name in enumerate("uv")})
    weights = SERIES["polars" if kind == "polars" else "pandas"](case.sample_weight)
    results = []
    arrays, tables = (case.X, case.y, case.sample_weight), (frame, y_frame, weights)
    for X, y, w in (arrays, tables):
        trainer = ds.Trainer(case.architecture.network(), loss=case.loss, batch_size=8)
        history = trainer.fit(X, y, epochs=2, sample_weight=w, validation_data=(X, y))
        results.append(
            [
                [*history.loss, *history.validation_loss],
                trainer.run_epoch(X, y, sample_weight=w),
                trainer.step(X, y, sample_weight=w),
                trainer.network.loss_and_gradient(X, y, case.loss, sample_weight=w)[0],
                trainer.network.predict(X),
                ds.metric("r2", y, y, w),
                ds.ops.dense_forward(X, np.ones((4, 3)), np.zeros(3)),
            ]
        )
    assert same_bits(*results)


def test_rows_side_by_side_are_read_where_they_stand():
    X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    frame = pandas.DataFrame(X, copy=False)
    assert np.shares_memory(as_array("f", "X", frame), X)
    column = pyarrow.array(X[:, 0].copy())
    assert np.shares_memory(as_array("f", "y", column), column.to_numpy())


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_a_mixed_frame_is_converted_once_and_without_objects(kind):
    rows, columns = 50_000, 8
    frame = FRAMES[kind](
        {str(j): np.arange(rows, dtype="float64" if j % 2 else "int64") for j in range(columns)}
    )
    as_array("f", "X", frame)  # what libraries import when first used
    tracemalloc.start()
    array = as_array("f", "X", frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert array.dtype == "float64"
    assert peak < 1.1 * array.nbytes


def test_large_integers_are_kept_until_they_are_converted():
    X = np.array([[2**60 + 1], [2**24 + 1]])
    for frame in (
        pandas.DataFrame(X),
        polars.DataFrame(X, schema=["a"]),
        pyarrow.table([X[:, 0]], ["a"]),
    ):
        assert same_bits(as_array("f", "X", frame), X)


NULLS = {
    "pandas": pandas.DataFrame({"age": pandas.array([1, None, 3, None], "Int64"), "b": 1.0}),
    "pandas of arrow": pandas.DataFrame(
        {"age": pandas.array([1, None, 3, None], "int64[pyarrow]"), "b": 1.0}
    ),
    "polars": polars.DataFrame({"age": [1, None, 3, None], "b": [1.0] * 4}),
    "arrow": pyarrow.table({"age": [1, None, 3, None], "b": [1.0] * 4}),
}


@pytest.mark.parametrize("kind", NULLS)
def test_missing_values_are_refused_with_the_columns_name(kind):
    with pytest.raises(ValueError, match=r"Network.predict: column 'age' of X has 2 missing"):
        mlp(2, 1).network().predict(NULLS[kind])


@pytest.mark.parametrize(
    "y",
    [pandas.Series([1, None], dtype="Int64"), polars.Series([1, None]), pyarrow.array([1, None])],
)
def test_missing_targets_are_refused(y):
    run = ds.Trainer(mlp(2, 1).network(), loss="squared_error")
    with pytest.raises(ValueError, match=r"Trainer.step: y has 1 missing"):
        run.step(np.ones((2, 2)), y)


def test_nan_in_a_column_is_refused_with_its_place():
    frame = pandas.DataFrame({"a": [1, 2], "b": [1.0, np.nan]})
    with pytest.raises(ValueError, match=r"X is nan at row 1, column 1"):
        mlp(2, 1).network().predict(frame)


NOT_NUMBERS = {
    "text": ["a", "b"],
    "dates": np.array(["2020-01-01", "2021-01-01"], "datetime64[ms]"),
}
CATEGORIES = {
    "pandas": pandas.DataFrame({"b": [1.0, 2.0], "kind": pandas.Categorical([7, 8])}),
    "polars": polars.DataFrame(
        {"b": [1.0, 2.0], "kind": polars.Series(["7", "8"], dtype=polars.Categorical)}
    ),
    "polars enum": polars.DataFrame(
        {"b": [1.0, 2.0], "kind": polars.Series(["7", "8"], dtype=polars.Enum(["7", "8"]))}
    ),
    "arrow": pyarrow.table({"b": [1.0, 2.0], "kind": pyarrow.array([7, 8]).dictionary_encode()}),
}


@pytest.mark.parametrize("values", NOT_NUMBERS)
@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "another library"])
def test_columns_of_other_kinds_are_refused_by_name(kind, values):
    frame = FRAMES[kind]({"b": [1.0, 2.0], "kind": NOT_NUMBERS[values]})
    with pytest.raises(TypeError, match=r"Network.predict: column 'kind' of X .*get_dummies"):
        mlp(2, 1).network().predict(frame)


@pytest.mark.parametrize("kind", CATEGORIES)
def test_categories_are_refused_by_name_even_of_numbers(kind):
    with pytest.raises(
        TypeError, match=r"column 'kind' of X .*(?i:categor|enum|dictionary).*encode"
    ):
        mlp(2, 1).network().predict(CATEGORIES[kind])


def test_columns_that_look_like_attributes_are_columns():
    frame = pandas.DataFrame({"mask": [1.0, 2.0], "filled": [3.0, 4.0], "T": [5.0, 6.0]})
    network = mlp(3, 2).network()
    assert same_bits(network.predict(frame), network.predict(frame.to_numpy()))


def test_columns_of_one_name_are_all_there():
    frame = pandas.DataFrame([[1, 2.0], [3, 4.0]], columns=["a", "a"])
    network = mlp(2, 2).network()
    assert same_bits(network.predict(frame), network.predict(np.array([[1.0, 2], [3, 4]])))


def test_frames_that_do_not_fit_are_refused_as_arrays_are():
    network = mlp(2, 1).network()
    with pytest.raises(ValueError, match=r"\(4, 5\).*2 inputs"):
        network.predict(FRAMES["polars"](COLUMNS))
    with pytest.raises(ValueError, match=r"two dimensions"):
        network.predict(pandas.Series([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"\(0, 2\)"):
        network.predict(polars.DataFrame({"a": [], "b": []}, schema={"a": float, "b": float}))


def test_dlpack_is_read_where_it_stands():
    X = np.random.default_rng(0).normal(size=(4, 2))
    network = mlp(2, 3).network()
    assert same_bits(network.predict(DLPack(X)), network.predict(X))
    assert np.shares_memory(as_array("f", "X", DLPack(X)), X)
