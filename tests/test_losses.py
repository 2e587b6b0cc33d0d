"""ops.loss: the training loss J of outputs against targets, and dJ/d outputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.losses import LOSSES, as_rows, loss_and_gradient
from strategies import DTYPES, losses, targets
from tolerances import assert_close, same_bits, tolerance

LABELS = "softmax_cross_entropy"


@given(
    losses,
    DTYPES,
    st.integers(1, 40),
    st.integers(1, 70),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_loss_equals_the_reference(name, dtype, rows, outputs, weighted, as_labels, seed):
    rng = np.random.default_rng(seed)
    f = (3 * rng.normal(size=(rows, outputs))).astype(dtype)
    y = targets(name, rows, outputs, rng, as_labels)
    y = y.astype(dtype) if y.dtype.kind == "f" else y
    weights = rng.random(rows) if weighted else None
    j, d_f = ds.ops.loss(name, f, y, sample_weight=weights)
    expected_j, expected_d_f = loss_and_gradient(name, f, y, weights)
    rtol = tolerance(dtype, rows, outputs)
    assert d_f.dtype == dtype
    assert_close(j, expected_j, rtol, "loss")
    assert_close(d_f, expected_d_f, rtol, "gradient")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ds.losses())
def test_gradient_matches_central_differences(name, dtype):
    rng = np.random.default_rng(4)
    f = rng.normal(size=(3, 4))
    y = targets(name, 3, 4, rng)
    weights = rng.random(3)
    _, d_f = ds.ops.loss(name, f.astype(dtype), y.astype(dtype), weights)
    numeric = np.empty_like(f)
    h = 1e-6
    for index in np.ndindex(f.shape):
        above, below = f.copy(), f.copy()
        above[index] += h
        below[index] -= h
        j = [ds.ops.loss(name, side, y, weights)[0] for side in (above, below)]
        numeric[index] = (j[0] - j[1]) / (2 * h)
    assert_close(d_f, numeric, 1e-6 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        "int8",
        "uint8",
        "int16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
        ">i4",
        ">f8",
    ],
)
def test_a_class_index_is_a_one_hot_row(kind):
    f = np.random.default_rng(0).normal(size=(5, 3))
    labels = np.array([2, 0, 1, 1, 0])
    expected = ds.ops.loss(LABELS, f, np.eye(3)[labels])
    j, d_f = ds.ops.loss(LABELS, f, labels.astype(kind))
    assert_close(j, expected[0], 1e-15)
    assert_close(d_f, expected[1], 1e-15)


def test_booleans_are_class_indices():
    f = np.random.default_rng(0).normal(size=(3, 2))
    labels = np.array([True, False, True])
    assert ds.ops.loss(LABELS, f, labels)[0] == ds.ops.loss(LABELS, f, labels.astype(int))[0]


def test_probabilities_may_sum_to_almost_one():
    f = np.random.default_rng(0).normal(size=(4, 3))
    y = np.random.default_rng(1).dirichlet(np.ones(3), 4) * 1.0005
    j, d_f = ds.ops.loss(LABELS, f, y)
    expected_j, expected_d_f = loss_and_gradient(LABELS, f, y)
    assert_close(j, expected_j, 1e-12)
    assert_close(d_f, expected_d_f, 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [LABELS, "sigmoid_cross_entropy"])
def test_extreme_logits_neither_overflow_nor_lose_the_loss(name, dtype):
    f = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype)
    y = np.array([[0, 1], [0, 1]], dtype)
    j, d_f = ds.ops.loss(name, f, y)
    expected_j, expected_d_f = loss_and_gradient(name, f, y)
    assert_close(j, expected_j, tolerance(dtype))
    assert_close(d_f, expected_d_f, tolerance(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_confident_right_answer_costs_almost_nothing(dtype):
    f = np.array([[0.0, 30.0]], dtype)
    j, _ = ds.ops.loss(LABELS, f, [1])
    # log(1 + e^-30) is 9.4e-14; rounding may lose it but not make it negative.
    assert 0 <= j <= np.log1p(np.exp(-30.0)) + 2 * np.finfo(dtype).eps


def test_the_gradient_of_absolute_error_is_zero_where_equal():
    f = np.array([[1.0, 2.0, 3.0]])
    _, d_f = ds.ops.loss("absolute_error", f, [[1.0, 1.0, 4.0]])
    assert d_f.tolist() == [[0.0, 1.0, -1.0]]


def test_huber_changes_form_at_distance_one():
    f = np.array([[0.5], [1.0], [-1.0], [3.0], [-3.0]])
    y = np.zeros_like(f)
    rows = [ds.ops.loss("huber", f[i : i + 1], y[i : i + 1]) for i in range(5)]
    assert [j for j, _ in rows] == [0.125, 0.5, 0.5, 2.5, 2.5]
    assert [d.item() for _, d in rows] == [0.5, 1.0, -1.0, 1.0, -1.0]


@given(losses, st.floats(1e-3, 1e3))
def test_scaling_all_weights_changes_nothing(name, factor):
    rng = np.random.default_rng(0)
    f = rng.normal(size=(6, 3))
    y = targets(name, 6, 3, rng)
    weights = rng.random(6)
    j, d_f = ds.ops.loss(name, f, y, weights)
    scaled_j, scaled_d_f = ds.ops.loss(name, f, y, factor * weights)
    assert_close(scaled_j, j, 1e-14)
    assert_close(scaled_d_f, d_f, 1e-14)


@pytest.mark.parametrize("name", ds.losses())
def test_a_row_of_weight_zero_is_as_if_absent(name):
    rng = np.random.default_rng(0)
    f, weights = rng.normal(size=(6, 3)), np.array([1.0, 0, 2, 0, 1, 3])
    y = targets(name, 6, 3, rng)
    kept = weights > 0
    j, d_f = ds.ops.loss(name, f, y, weights)
    kept_j, kept_d_f = ds.ops.loss(name, f[kept], y[kept], weights[kept])
    assert_close(j, kept_j, 1e-14)
    assert_close(d_f[kept], kept_d_f, 1e-14)
    assert not d_f[~kept].any()


@pytest.mark.parametrize("name", sorted(set(ds.losses()) - {LABELS}))
def test_one_output_takes_one_dimensional_targets(name):
    rng = np.random.default_rng(0)
    f, y = rng.normal(size=(5, 1)), rng.random((5, 1))
    flat, column = ds.ops.loss(name, f, y[:, 0]), ds.ops.loss(name, f, y)
    assert flat[0] == column[0]
    assert same_bits(flat[1], column[1])


@pytest.mark.parametrize("name", ds.losses())
def test_reference_and_core_name_the_same_rows(name):
    rng = np.random.default_rng(0)
    f, y = rng.normal(size=(4, 3)), targets(name, 4, 3, rng)
    rows, _ = LOSSES[name](f, as_rows(name, y, 3))
    assert_close([ds.ops.loss(name, f[i : i + 1], y[i : i + 1])[0] for i in range(4)], rows, 1e-14)
