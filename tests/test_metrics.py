"""ds.metric: what is computed from raw outputs beside the loss."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from processes import lines_of_each_kernel_set
from reference.losses import LOSSES, as_rows
from reference.metrics import mean_prediction, metric
from strategies import LAYOUTS, layouts, targets

SOFTMAX, SIGMOID = "softmax_cross_entropy", "sigmoid_cross_entropy"
VALUES = "mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "r2"
OF_CLASSES = [name for name in ds.metrics() if name not in (*VALUES, "top_k_accuracy")]
CLOSE = {"rel": 1e-12, "abs": 1e-12}


def names(loss, outputs):
    """The metrics that a loss has."""
    found = list(VALUES)
    if loss in (SOFTMAX, SIGMOID):
        found += OF_CLASSES
    if loss == SOFTMAX:
        found += [f"top_{k}_accuracy" for k in range(1, outputs + 1)]
    return found


@st.composite
def cases(draw, losses=tuple(LOSSES)):
    loss = draw(st.sampled_from(losses))
    rows, outputs = draw(st.integers(1, 60)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    f = rng.normal(size=(rows, outputs)).astype(draw(st.sampled_from(["float32", "float64"])))
    if draw(st.booleans()):
        f = np.round(f)  # equal outputs
    y = targets(loss, rows, outputs, rng, as_labels=draw(st.booleans()))
    weights = None
    if draw(st.booleans()):
        weights = rng.choice([0.0, 0.5, 1.0, 3.0], rows)
        weights[rng.integers(rows)] = 2.0
    return loss, f, y, weights


@given(cases())
def test_metrics_equal_the_reference(case):
    loss, f, y, weights = case
    for name in names(loss, f.shape[1]):
        if name == "roc_auc" and loss == SOFTMAX:
            continue  # equal probabilities: below
        ours = ds.metric(name, f, y, weights, loss=loss)
        theirs = metric(name, loss, f, y, weights)
        assert ours == pytest.approx(theirs, **CLOSE, nan_ok=True), name


@given(cases([SOFTMAX]))
def test_the_area_under_the_curve_ranks_by_probability(case):
    loss, f, y, weights = case
    # Outputs that are far from equal: rounding decides whether probabilities are.
    f = np.random.default_rng(len(f)).permutation(f.size).reshape(f.shape) / 60
    ours = ds.metric("roc_auc", f, y, weights, loss=loss)
    assert ours == pytest.approx(metric("roc_auc", loss, f, y, weights), **CLOSE, nan_ok=True)


# Names of scikit-learn, with what it is asked for beside truth and prediction.
OF_DECISIONS = {
    "accuracy": ("accuracy_score", {}),
    "balanced_accuracy": ("balanced_accuracy_score", {}),
    "precision": ("precision_score", {"average": "macro", "zero_division": 0}),
    "recall": ("recall_score", {"average": "macro", "zero_division": 0}),
    "f1": ("f1_score", {"average": "macro", "zero_division": 0}),
}
OF_ERRORS = {
    "mean_absolute_error": "mean_absolute_error",
    "mean_squared_error": "mean_squared_error",
    "root_mean_squared_error": "root_mean_squared_error",
    "r2": "r2_score",
}


def data(outputs, seed=0, rows=500):
    rng = np.random.default_rng(seed)
    f = 2 * rng.normal(size=(rows, outputs))
    return f, rng, rng.uniform(0.1, 3.0, rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [2, 3, 10])
def test_metrics_of_classes_are_those_of_scikit_learn(outputs, weighted):
    f, rng, weights = data(outputs)
    labels, w = rng.integers(0, outputs, len(f)), weights if weighted else None
    for name, (function, options) in OF_DECISIONS.items():
        theirs = getattr(sklearn.metrics, function)(
            labels, f.argmax(axis=1), sample_weight=w, **options
        )
        assert ds.metric(name, f, labels, w) == pytest.approx(theirs, **CLOSE), name
    p = mean_prediction(SOFTMAX, f)
    theirs = sklearn.metrics.roc_auc_score(
        labels, p if outputs > 2 else p[:, 1], multi_class="ovr", sample_weight=w
    )
    assert ds.metric("roc_auc", f, labels, w) == pytest.approx(theirs, **CLOSE)
    for k in range(1, outputs):
        theirs = sklearn.metrics.top_k_accuracy_score(
            labels, f if outputs > 2 else f[:, 1] - f[:, 0], k=k, sample_weight=w
        )
        assert ds.metric(f"top_{k}_accuracy", f, labels, w) == pytest.approx(theirs, **CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("levels", [3, 1000])
def test_metrics_of_one_output_are_those_of_scikit_learn(levels, weighted):
    f, rng, weights = data(1)
    f = np.round(f * levels) / levels  # with many equal scores
    y, w = rng.integers(0, 2, len(f)), weights if weighted else None
    for name, (function, options) in OF_DECISIONS.items():
        options = {**options, "average": "binary"} if "average" in options else options
        theirs = getattr(sklearn.metrics, function)(y, f[:, 0] > 0, sample_weight=w, **options)
        assert ds.metric(name, f, y, w) == pytest.approx(theirs, **CLOSE), name
    theirs = sklearn.metrics.roc_auc_score(y, f[:, 0], sample_weight=w)
    assert ds.metric("roc_auc", f, y, w) == pytest.approx(theirs, **CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_several_labels_a_row_are_those_of_scikit_learn(weighted):
    f, rng, weights = data(4)
    y, w = rng.integers(0, 2, f.shape), weights if weighted else None
    for name in ("precision", "recall", "f1"):
        function, options = OF_DECISIONS[name]
        theirs = getattr(sklearn.metrics, function)(y, f > 0, sample_weight=w, **options)
        assert ds.metric(name, f, y, w, loss=SIGMOID) == pytest.approx(theirs, **CLOSE), name
    right = 1 - sklearn.metrics.hamming_loss(y, f > 0, sample_weight=w)
    assert ds.metric("accuracy", f, y, w, loss=SIGMOID) == pytest.approx(right, **CLOSE)
    area = sklearn.metrics.roc_auc_score(y, f, sample_weight=w)
    assert ds.metric("roc_auc", f, y, w, loss=SIGMOID) == pytest.approx(area, **CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [2, 4])
@pytest.mark.parametrize("loss", LOSSES)
def test_metrics_of_values_are_those_of_scikit_learn(loss, outputs, weighted):
    f, rng, weights = data(outputs)
    y, w = targets(loss, len(f), outputs, rng), weights if weighted else None
    for name, function in OF_ERRORS.items():
        theirs = getattr(sklearn.metrics, function)(y, mean_prediction(loss, f), sample_weight=w)
        assert ds.metric(name, f, y, w, loss=loss) == pytest.approx(theirs, **CLOSE), name


@given(cases(), st.floats(1e-3, 1e3))
def test_weights_count_beside_each_other_alone(case, factor):
    loss, f, y, weights = case
    weights = np.ones(len(f)) if weights is None else weights
    kept = weights > 0
    for name in names(loss, f.shape[1]):
        value = ds.metric(name, f, y, weights, loss=loss)
        scaled = ds.metric(name, f, y, factor * weights, loss=loss)
        absent = ds.metric(name, f[kept], y[kept], weights[kept], loss=loss)
        assert scaled == pytest.approx(value, **CLOSE, nan_ok=True), name
        assert absent == pytest.approx(value, **CLOSE, nan_ok=True), name


@given(cases())
def test_a_row_of_weight_two_is_two_rows(case):
    loss, f, y, _ = case
    if len(f) == 1:
        return  # r2 has no value for one row
    weights = np.where(np.arange(len(f)) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(len(f)), weights.astype(int))
    for name in names(loss, f.shape[1]):
        value = ds.metric(name, f, y, weights, loss=loss)
        repeated = ds.metric(name, f[twice], y[twice], loss=loss)
        assert repeated == pytest.approx(value, **CLOSE, nan_ok=True), name


@given(cases([SOFTMAX]))
def test_a_class_index_is_a_one_hot_row(case):
    loss, f, y, weights = case
    labels = y if y.ndim == 1 else y.argmax(axis=1)
    one_hot = as_rows(loss, labels, f.shape[1])
    for name in names(loss, f.shape[1]):
        value = ds.metric(name, f, labels, weights, loss=loss)
        assert ds.metric(name, f, one_hot, weights, loss=loss) == pytest.approx(
            value, rel=0, abs=0, nan_ok=True
        )


@given(layouts, layouts)
def test_layout_does_not_change_the_bits(f_layout, y_layout):
    f, rng, _ = data(3)
    y = rng.integers(0, 3, len(f))
    laid = LAYOUTS[f_layout](f), LAYOUTS[y_layout](y)
    for name in names(SOFTMAX, 3):
        assert ds.metric(name, *laid, loss=SOFTMAX) == ds.metric(name, f, y, loss=SOFTMAX)


BITS = """
import numpy as np, descend as ds
print(ds.build_info()["isa"])
rng = np.random.default_rng(0)
f, y, w = rng.normal(size=(999, 7)), rng.integers(0, 7, 999), rng.random(999)
loss = "softmax_cross_entropy"
for name in ds.metrics():
    print(ds.metric(name.replace("_k_", "_3_"), f, y, w, loss=loss).hex())
print(ds.metric("r2", f, rng.poisson(2.0, f.shape), w, loss="poisson").hex())
"""


def test_same_bits_for_any_instruction_set():
    seen = {tuple(lines) for lines in lines_of_each_kernel_set("-c", BITS).values()}
    assert len(seen) == 1
    assert len(seen.pop()) == len(ds.metrics()) + 1


def test_confident_outputs_are_still_ranked():
    # The softmax probability of class 0 is 1 in float64 for all of these.
    f = np.array([[800.0, 0.0], [700.0, 0.0], [600.0, 0.0], [500.0, 0.0]])
    assert ds.metric("roc_auc", f, [0, 0, 1, 1]) == 1.0
    assert ds.metric("roc_auc", f, [1, 0, 0, 0]) == 0.0


def test_equal_outputs_are_decided_for_the_first():
    f = np.zeros((2, 3))
    assert ds.metric("accuracy", f, [0, 1]) == 0.5
    assert ds.metric("top_2_accuracy", f, [1, 2]) == 0.5
    assert ds.metric("accuracy", [[0.0]], [0]) == 1.0


@pytest.mark.parametrize("name", [*OF_CLASSES, "top_2_accuracy", *VALUES])
def test_an_output_of_nan_makes_nan(name):
    f, rng, _ = data(3)
    f[7, 1] = np.nan
    assert np.isnan(ds.metric(name, f, rng.integers(0, 3, len(f)), loss=SOFTMAX))


@pytest.mark.parametrize("name", [*OF_CLASSES, "top_2_accuracy"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_outputs_have_their_order(name, value):
    f, rng, _ = data(3)
    labels = rng.integers(0, 3, len(f))
    large = f.copy()
    f[7, 1], large[7, 1] = value, np.sign(value) * 700
    assert ds.metric(name, f, labels) == ds.metric(name, large, labels)


@pytest.mark.parametrize("name", [*OF_CLASSES, "top_2_accuracy", *VALUES])
def test_nan_in_a_row_of_no_weight_does_not_count(name):
    f, rng, weights = data(3)
    labels = rng.integers(0, 3, len(f))
    weights[7] = 0
    expected = ds.metric(name, f, labels, weights, loss=SOFTMAX)
    f[7] = np.nan
    assert ds.metric(name, f, labels, weights, loss=SOFTMAX) == expected


def test_metrics_that_rows_do_not_define_are_nan():
    f, _, _ = data(3)
    assert np.isnan(ds.metric("roc_auc", f, np.zeros(len(f), int)))
    assert np.isnan(ds.metric("r2", f[:1], f[:1] + 1))
    assert np.isnan(ds.metric("r2", f[:2], f[:2] + 1, [1.0, 0.0]))


def test_r2_of_equal_targets_is_one_or_zero():
    y = np.full((3, 1), 0.1)
    assert ds.metric("r2", y, y) == 1.0
    assert ds.metric("r2", y + np.eye(3, 1), y) == 0.0


@pytest.mark.parametrize(
    ("arguments", "kind", "parts"),
    [
        (("acc", [[1.0]], [1]), ValueError, ["unknown metric 'acc'", "balanced_accuracy"]),
        (("top_k_accuracy", [[1.0]], [0]), ValueError, ["a number for k", "top_3_accuracy"]),
        (("top_0_accuracy", [[1.0]], [0]), ValueError, ["unknown metric"]),
        (("top_03_accuracy", [[1.0]], [0]), ValueError, ["unknown metric"]),
        (("top_99999999999_accuracy", [[1.0]], [0]), ValueError, ["unknown metric"]),
        (("top_4_accuracy", [[1.0, 2, 3]], [0]), ValueError, ["4 of 3 outputs"]),
        (("top_1_accuracy", [[1.0]], [0]), ValueError, ["sigmoid_cross_entropy", "accuracy"]),
        ((3, [[1.0]], [1]), TypeError, ["name"]),
        (("accuracy", [1.0, 2.0], [1, 0]), ValueError, ["outputs", "(2,)"]),
        (("accuracy", np.empty((0, 3)), np.empty(0, int)), ValueError, ["(0, 3)"]),
        (("accuracy", [[1.0, 2.0]], [2]), ValueError, ["class 2", "row 0"]),
        (("accuracy", [[1.0, 2.0]], [0, 1]), ValueError, ["2 rows", "1"]),
        (("accuracy", [[1.0, 2.0]], [[1.0, 1.0]]), ValueError, ["sums to 2", SIGMOID]),
        (("accuracy", [[1.0]], [3.0]), ValueError, ["3", SIGMOID]),
        (("r2", [[1.0]], ["a"]), TypeError, ["<U1"]),
        (("r2", [[1.0]], [1.0], [0.0]), ValueError, ["sample_weight"]),
    ],
)
def test_what_does_not_fit_is_refused(arguments, kind, parts):
    with pytest.raises(kind) as raised:
        ds.metric(*arguments)
    message = str(raised.value)
    assert message.startswith("metric: ")
    assert not [part for part in parts if part not in message], message


def test_values_have_no_metrics_of_classes():
    with pytest.raises(ValueError, match=r"metric: .*accuracy.*huber.*softmax_cross_entropy"):
        ds.metric("accuracy", [[1.0]], [1.0], loss="huber")
