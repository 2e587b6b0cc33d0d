"""train_test_split and k_fold: which rows come where, and of what arrays."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.shuffle import permutation
from reference.splits import fold_rows, train_test_rows
from strategies import SEEDS

row_counts = st.integers(2, 60)


@st.composite
def classes(draw, rows):
    count = draw(st.integers(1, 5))
    return np.array(draw(st.lists(st.integers(0, count - 1), min_size=rows, max_size=rows)))


@given(st.data(), row_counts, SEEDS)
def test_the_rows_are_those_of_the_reference(data, rows, seed):
    test_rows = data.draw(st.integers(1, rows - 1))
    given_classes = data.draw(st.one_of(st.none(), classes(rows)))
    train, test = ds.train_test_split(
        np.arange(rows), test_size=test_rows, stratify=given_classes, seed=seed
    )
    expected = train_test_rows(rows, test_rows, seed, given_classes)
    assert (train.tolist(), test.tolist()) == expected


@given(st.data(), row_counts, SEEDS)
def test_each_row_comes_into_one_part(data, rows, seed):
    test_rows = data.draw(st.integers(1, rows - 1))
    given_classes = data.draw(st.one_of(st.none(), classes(rows)))
    train, test = ds.train_test_split(
        range_list(rows), test_size=test_rows, stratify=given_classes, seed=seed
    )
    assert len(test) == test_rows
    assert sorted(train + test) == range_list(rows)


@given(st.data(), row_counts, SEEDS)
def test_each_class_has_its_share_of_the_test(data, rows, seed):
    test_rows = data.draw(st.integers(1, rows - 1))
    given_classes = data.draw(classes(rows))
    _, test = ds.train_test_split(
        given_classes, test_size=test_rows, stratify=given_classes, seed=seed
    )
    for c, size in Counter(given_classes.tolist()).items():
        assert abs((test == c).sum() - test_rows * size / rows) < 1, c


def test_the_largest_remainders_are_rounded_up():
    stratify = ["a"] * 5 + ["b"] * 3 + ["c"] * 2
    _, test = ds.train_test_split(stratify, test_size=4, stratify=stratify)
    assert Counter(test) == {"a": 2, "b": 1, "c": 1}  # of shares 2, 1.2 and 0.8


@given(st.data(), row_counts, SEEDS)
def test_the_folds_are_those_of_the_reference(data, rows, seed):
    folds = data.draw(st.integers(2, min(rows, 7)))
    given_classes = data.draw(st.one_of(st.none(), classes(rows)))
    splits = ds.k_fold(np.arange(rows), folds=folds, stratify=given_classes, seed=seed)
    expected = fold_rows(rows, folds, seed, given_classes)
    assert [(train.tolist(), test.tolist()) for train, test in splits] == expected


@given(st.data(), row_counts, SEEDS)
def test_each_row_is_in_one_test_and_folds_are_as_equal_as_can_be(data, rows, seed):
    folds = data.draw(st.integers(2, min(rows, 7)))
    given_classes = data.draw(classes(rows))
    splits = list(ds.k_fold(range_list(rows), folds=folds, stratify=given_classes, seed=seed))
    assert sorted(row for _, test in splits for row in test) == range_list(rows)
    assert all(sorted(train + test) == range_list(rows) for train, test in splits)
    sizes = [len(test) for _, test in splits]
    assert max(sizes) - min(sizes) <= 1
    for c in set(given_classes.tolist()):
        of_class = [sum(given_classes[row] == c for row in test) for _, test in splits]
        assert max(of_class) - min(of_class) <= 1


def range_list(rows):
    return list(range(rows))


def test_every_row_is_in_the_test_equally_often():
    tests = [ds.train_test_split(range_list(10), test_size=3, seed=seed)[1] for seed in range(2000)]
    counts = np.bincount(np.ravel(tests), minlength=10)
    # 27.9 is exceeded once in a thousand with 9 degrees of freedom.
    assert ((counts - 600) ** 2 / (600 * 0.7) * 0.9).sum() < 27.9


def test_the_split_is_not_the_order_of_an_epoch():
    train, test = ds.train_test_split(np.arange(50), seed=3)
    order = permutation(50, 3, 0)
    assert order[: len(test)].tolist() != test.tolist()
    assert order[: len(train)].tolist() != train.tolist()


@pytest.mark.parametrize(
    ("test_size", "expected"),
    [(0.25, 10), (0.1, 4), (0.26, 10), (1, 1), (39, 39), (np.int64(7), 7), (np.float32(0.5), 20)],
)
def test_the_size_is_a_fraction_or_a_number(test_size, expected):
    _, test = ds.train_test_split(range_list(40), test_size=test_size)
    assert len(test) == expected


def test_a_quarter_is_for_the_test_by_default():
    train, test = ds.train_test_split(range_list(8))
    assert (len(train), len(test)) == (6, 2)


def of_memmap(values, tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, values)
    return np.load(path, mmap_mode="r")


def test_arrays_are_split_by_the_same_rows_and_keep_their_kind(tmp_path):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    sparse = pytest.importorskip("scipy.sparse")
    X = np.arange(24.0).reshape(12, 2)
    y = np.arange(12)
    frame = pandas.DataFrame(X, columns=["a", "b"], index=list("lkjihgfedcba"))
    arrays = {
        "numpy": X,
        "memmap": of_memmap(X, tmp_path),
        "list": X.tolist(),
        "pandas": frame,
        "pandas series": frame["a"],
        "polars": polars.DataFrame({"a": X[:, 0], "b": X[:, 1]}),
        "polars series": polars.Series("a", X[:, 0]),
        "arrow": pyarrow.table({"a": X[:, 0], "b": X[:, 1]}),
        "arrow column": pyarrow.chunked_array([X[:5, 0], X[5:, 0]]),
        "sparse": sparse.csr_matrix(X),
    }
    y_train, y_test, *parts = ds.train_test_split(y, *arrays.values(), test_size=0.4, seed=5)
    for i, (name, array) in enumerate(arrays.items()):
        for rows, part in zip((y_train, y_test), parts[2 * i : 2 * i + 2], strict=True):
            assert type(part) is (np.ndarray if name == "memmap" else type(array)), name
            values = part.toarray() if name == "sparse" else np.asarray(part)
            expected = X[rows] if values.ndim == 2 else X[rows, 0]
            assert np.array_equal(values, expected), name
    assert list(parts[6].index) == [frame.index[row] for row in y_train]


def test_parts_are_copies():
    X = np.zeros((8, 2))
    train, test = ds.train_test_split(X)
    train[:], test[:] = 1, 1
    assert not X.any()


@pytest.mark.parametrize("kind", [str, float, bool, "category"])
def test_classes_are_of_any_kind(kind):
    pandas = pytest.importorskip("pandas")
    numbers = np.arange(20) % 2
    stratify = pandas.Series(numbers.astype(str if kind == "category" else kind)).astype(kind)
    expected = ds.train_test_split(np.arange(20), stratify=numbers)
    actual = ds.train_test_split(np.arange(20), stratify=stratify)
    assert [part.tolist() for part in actual] == [part.tolist() for part in expected]


@pytest.mark.parametrize(
    ("arrays", "options", "kind", "parts"),
    [
        ((), {}, TypeError, ["at least one array"]),
        (([1, 2, 3], [1, 2]), {}, ValueError, ["3, 2 rows"]),
        (([1, 2], "ab"), {}, TypeError, ["array 1", "str"]),
        ((3,), {}, TypeError, ["array 0", "int"]),
        ((np.array(3.0),), {}, TypeError, ["array 0", "ndarray"]),
        (([1],), {}, ValueError, ["of 1 rows"]),
        (([],), {}, ValueError, ["of 0 rows"]),
        (([1, 2],), {"test_size": 2}, ValueError, ["2 rows of 2"]),
        (([1, 2],), {"test_size": 0}, ValueError, ["0 rows of 2"]),
        (([1, 2],), {"test_size": 1.0}, ValueError, ["(0, 1)", "1.0"]),
        (([1, 2],), {"test_size": float("nan")}, ValueError, ["nan"]),
        (([1, 2, 3],), {"test_size": 0.01}, ValueError, ["0.01 of 3 rows is 0 rows"]),
        (([1, 2],), {"test_size": "half"}, TypeError, ["'half'"]),
        (([1, 2],), {"test_size": True}, TypeError, ["True"]),
        (([1, 2],), {"test_size": 0.5, "seed": -1}, ValueError, ["seed"]),
        (([1, 2],), {"test_size": 0.5, "seed": 0.5}, TypeError, ["seed"]),
        (([1, 2],), {"test_size": 0.5, "stratify": [1]}, ValueError, ["(1,)", "2 rows"]),
        (([1, 2],), {"test_size": 0.5, "stratify": [None, "a"]}, TypeError, ["sorted"]),
    ],
)
def test_what_does_not_fit_is_refused(arrays, options, kind, parts):
    with pytest.raises(kind) as raised:
        ds.train_test_split(*arrays, **options)
    message = str(raised.value)
    assert message.startswith("train_test_split: ")
    assert not [part for part in parts if part not in message], message


@pytest.mark.parametrize(
    ("folds", "kind"), [(1, ValueError), (5, ValueError), ("3", TypeError), (2.0, TypeError)]
)
def test_folds_that_do_not_fit_are_refused_at_once(folds, kind):
    with pytest.raises(kind, match="k_fold: "):
        ds.k_fold([1, 2, 3, 4], folds=folds)
