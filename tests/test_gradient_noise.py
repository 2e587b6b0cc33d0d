"""gradient_noise: how much a minibatch's gradient differs from that of all rows."""

import pickle
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.activations import ACTIVATIONS
from reference.gradient_noise import moments, row_gradients
from reference.losses import LOSSES, rows_weights, smoothed
from reference.network import Layer
from strategies import Architecture, mlp, problem, problems
from tolerances import assert_close, same_bits, tolerance


def figures(noise):
    estimates = [noise, *noise.layers]
    return [
        [e.variance, e.squared_norm, *(e.confidence_interval(of) for of in FIGURES)]
        for e in estimates
    ]


FIGURES = "noise_scale", "variance", "squared_norm"


def measure(case, **options):
    network = case.architecture.network()
    return ds.gradient_noise(network, case.X, case.y, case.loss, case.sample_weight, **options)


def compare_with_every_row(case, rtol, class_weight=None, label_smoothing=0.0):
    noise = measure(case, class_weight=class_weight, label_smoothing=label_smoothing)
    twin = case.architecture.reference(case.architecture.network().parameters())
    weights = rows_weights(case.y, case.sample_weight, class_weight)
    y = smoothed(case.loss, case.y, case.architecture.outputs, label_smoothing)
    layers = row_gradients(twin, case.X, y, case.loss, weights)
    # Both figures are differences of sums that may nearly cancel.
    scale = max((gradients**2).sum(axis=1).mean() for gradients in layers)
    for estimate, gradients in [
        (noise, np.concatenate(layers, axis=1)),
        *zip(noise.layers, layers, strict=True),
    ]:
        variance, squared_norm = moments(gradients)
        assert estimate.variance >= 0
        assert abs(estimate.variance - variance) <= rtol * max(scale, variance)
        assert abs(estimate.squared_norm - squared_norm) <= rtol * max(scale, variance)
    assert noise.rows == case.rows
    loss, _ = twin.loss_and_gradient(case.X, y, case.loss, weights)
    assert_close(noise.loss, loss, rtol, "loss")


@given(problems(rows=st.integers(2, 40)))
def test_the_figures_are_those_of_every_row_apart(case):
    if case.sample_weight is not None and (case.sample_weight > 0).sum() < 2:
        case.sample_weight[:2] = 1.0
    compare_with_every_row(case, 4 * tolerance(case.architecture.dtype, *case.sums))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_loss_is_exact(activation, loss):
    layers = Layer(20, activation), Layer(17, activation), Layer(5, activation)
    case = problem(Architecture(13, layers, seed=3), loss, 33, seed=1)
    compare_with_every_row(case, 1e-9)


@given(
    st.integers(2, 60),
    st.integers(1, 5),
    st.sampled_from(["softmax_cross_entropy", "sigmoid_cross_entropy"]),
    st.sampled_from(["none", "balanced", "a weight a class"]),
    st.sampled_from([0.0, 0.1, 0.9]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_class_weights_and_smoothed_labels_count_as_in_the_trainer(
    rows, outputs, loss, kind, smoothing, weighted, seed
):
    outputs = 1 if loss == "sigmoid_cross_entropy" else outputs
    case = problem(mlp(5, 9, outputs), loss, rows, seed, weights=weighted, as_labels=True)
    case.y[:] = np.round(case.y)
    if weighted and (case.sample_weight > 0).sum() < 2:
        case.sample_weight[:] = 1.0
    of_classes = np.random.default_rng(seed).uniform(0.1, 5.0, max(outputs, 2))
    if loss == "softmax_cross_entropy":
        of_classes = of_classes[:outputs]
    class_weight = {"none": None, "balanced": "balanced"}.get(kind, of_classes)
    compare_with_every_row(case, 1e-9, class_weight, smoothing)


def test_balanced_counts_the_classes_of_all_rows():
    case = problem(mlp(6, 5, 3), "softmax_cross_entropy", 90, as_labels=True)
    case.y[:70] = 0
    network, rows = case.architecture.network(), np.arange(60, 90)
    picked = ds.gradient_noise(
        network, case.X, case.y, case.loss, order=rows, class_weight="balanced"
    )
    weights = rows_weights(case.y, None, "balanced")[rows]
    apart = ds.gradient_noise(network, case.X[rows], case.y[rows], case.loss, weights)
    assert picked.variance == pytest.approx(apart.variance, rel=1e-12)
    assert picked.noise_scale == pytest.approx(apart.noise_scale, rel=1e-12)


@pytest.mark.parametrize("rows", [100, 1024, 1025, 3000])
def test_rows_beyond_one_block_are_exact(rows):
    compare_with_every_row(problem(mlp(5, 9, 3), "huber", rows, seed=rows, weights=True), 1e-9)


def test_the_mean_over_all_minibatches_is_the_standard_error():
    case = problem(mlp(3, 4, 2), "squared_error", 8, seed=5)
    noise = measure(case)
    gradients = np.concatenate(
        row_gradients(case.architecture.network(), case.X, case.y, case.loss), axis=1
    )
    for batch_size in (1, 3, 7, 8):
        errors = [
            gradients[list(rows)].mean(axis=0) - gradients.mean(axis=0)
            for rows in combinations(range(8), batch_size)
        ]
        expected = np.sqrt(np.mean(np.square(errors).sum(axis=1)))
        actual = noise.standard_error(batch_size, population=8)
        assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_figures_are_unbiased():
    # The mean of an unbiased estimate over all samples of some rows is that of all rows.
    case = problem(mlp(3, 4, 2), "squared_error", 9, seed=6)
    network = case.architecture.network()
    parts = [
        ds.gradient_noise(network, case.X, case.y, case.loss, order=rows)
        for rows in combinations(range(9), 3)
    ]
    whole = measure(case)
    for figure in ("variance", "squared_norm"):
        mean = np.mean([getattr(part, figure) for part in parts])
        assert mean == pytest.approx(getattr(whole, figure), rel=1e-9)


def test_the_standard_error_falls_as_the_root_of_the_batch_size():
    noise = measure(problem(mlp(4, 8, 3), "poisson", 50, seed=1))
    assert noise.squared_norm > 0
    assert noise.standard_error(1) == pytest.approx(noise.variance**0.5)
    assert noise.standard_error(400) == pytest.approx(noise.standard_error(4) / 10)
    relative = noise.relative_standard_error(16)
    assert relative == pytest.approx((noise.noise_scale / 16) ** 0.5)
    assert noise.noise_scale == noise.variance / noise.squared_norm
    assert noise.standard_error(50, population=50) == 0


def test_equal_rows_have_no_noise():
    case = problem(mlp(4, 8, 3), "squared_error", 1)
    network = case.architecture.network()
    noise = ds.gradient_noise(
        network, np.repeat(case.X, 20, axis=0), np.repeat(case.y, 20, axis=0), case.loss
    )
    assert noise.noise_scale < 1e-12
    _, gradient = network.loss_and_gradient(case.X, case.y, case.loss)
    squared_norm = sum((part**2).sum() for pair in gradient for part in pair)
    assert noise.squared_norm == pytest.approx(squared_norm)


def test_without_a_gradient_the_noise_scale_is_infinite():
    # Two rows whose gradients cancel: |G|^2 is 0, and its unbiased estimate below.
    network = ds.Network(1, [ds.Dense(1)], dtype="float64")
    network.set_parameters([(np.zeros((1, 1)), np.zeros(1))])
    noise = ds.gradient_noise(network, [[0.0], [0.0]], [1.0, -1.0], "squared_error")
    assert noise.squared_norm < 0
    assert noise.noise_scale == noise.relative_standard_error(8) == float("inf")


@given(problems(rows=st.integers(4, 40)), st.floats(0.01, 100))
def test_only_the_proportions_of_the_weights_count(case, factor):
    weights = np.arange(1.0, case.rows + 1)
    network = case.architecture.network()
    one, other = (
        ds.gradient_noise(network, case.X, case.y, case.loss, w)
        for w in (weights, factor * weights)
    )
    rtol = 10 * tolerance(case.architecture.dtype, *case.sums)
    assert other.variance == pytest.approx(one.variance, rel=rtol, abs=1e-30)


def test_order_picks_the_rows():
    case = problem(mlp(6, 5, 2), "huber", 60, weights=True)
    rows = np.random.default_rng(0).integers(0, 60, 45)
    network = case.architecture.network()
    picked = ds.gradient_noise(network, case.X, case.y, case.loss, case.sample_weight, order=rows)
    apart = ds.gradient_noise(
        network, case.X[rows], case.y[rows], case.loss, case.sample_weight[rows]
    )
    assert picked.rows == 45
    assert same_bits(figures(picked), figures(apart))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", [(64, 100, 10), (40, 400, 400, 3)])
def test_same_bits_for_any_number_of_threads(widths, dtype):
    case = problem(mlp(*widths, dtype=dtype), "softmax_cross_entropy", 1300, as_labels=True)
    expected = figures(measure(case, threads=1))
    for threads in (2, 3, 5):
        assert same_bits(figures(measure(case, threads=threads)), expected)


def test_dropout_is_off_and_nothing_changes():
    layers = Layer(8, "relu", 0.5), Layer(2)
    case = problem(Architecture(5, layers, input_dropout=0.3), "squared_error", 30)
    plain = problem(Architecture(5, (Layer(8, "relu"), Layer(2))), "squared_error", 30)
    network = case.architecture.network()
    before = network.parameters()
    noise = ds.gradient_noise(network, case.X, case.y, case.loss)
    assert same_bits(figures(noise), figures(measure(plain)))
    assert same_bits(network.parameters(), before)


def covered(level, sort_rows, samples=300, rows=120):
    """Return how often each figure's interval covers the truth, in samples of a linear problem."""
    network = ds.Network(3, [ds.Dense(1)], dtype="float64")
    network.set_parameters([(np.zeros((3, 1)), np.zeros(1))])
    rng = np.random.default_rng(0)

    def draw(count):
        x = rng.normal(size=(count, 3))
        return x, x @ [0.8, -0.5, 0.3] + 0.5 + rng.normal(size=count)

    # At parameters of 0 a row's gradient is -y (x, 1).
    x, y = draw(1_000_000)
    gradients = -y[:, None] * np.column_stack([x, np.ones(len(x))])
    variance, squared_norm = moments(gradients)
    truth = {
        "noise_scale": variance / squared_norm,
        "variance": variance,
        "squared_norm": squared_norm,
    }
    hits = dict.fromkeys(FIGURES, 0)
    for _ in range(samples):
        x, y = draw(rows)
        if sort_rows:
            x, y = x[np.argsort(y)], np.sort(y)
        noise = ds.gradient_noise(network, x, y, "squared_error")
        for of in FIGURES:
            low, high = noise.confidence_interval(of, level)
            hits[of] += low <= truth[of] <= high
    return {of: count / samples for of, count in hits.items()}


@pytest.mark.parametrize("sort_rows", [False, True])
@pytest.mark.parametrize(("level", "lowest", "highest"), [(0.95, 0.9, 0.99), (0.5, 0.4, 0.6)])
def test_intervals_cover_the_truth_as_often_as_they_say(level, lowest, highest, sort_rows):
    for of, part in covered(level, sort_rows).items():
        assert lowest <= part <= highest, (of, part)


def test_intervals_narrow_as_rows_are_added_and_widen_with_the_level():
    case = problem(mlp(6, 5, 1), "squared_error", 4000)
    network = case.architecture.network()

    def width(rows, level=0.95):
        noise = ds.gradient_noise(network, case.X, case.y, case.loss, order=np.arange(rows))
        low, high = noise.confidence_interval("variance", level)
        assert low <= noise.variance <= high
        return high / low

    assert width(4000) < width(300)
    assert width(300, 0.99) > width(300, 0.9)


@pytest.mark.parametrize("rows", [2, 3])
def test_few_rows_leave_everything_possible(rows):
    noise = measure(problem(mlp(6, 5, 1), "squared_error", rows))
    assert noise.variance > 0
    assert noise.confidence_interval() == (0, np.inf)
    assert noise.confidence_interval("variance") == (0, np.inf)
    assert noise.confidence_interval("squared_norm") == (-np.inf, np.inf)


def test_a_group_with_all_the_weight_leaves_everything_possible():
    case = problem(mlp(6, 5, 1), "squared_error", 30)
    weights = np.zeros(30)
    weights[4] = 1
    noise = ds.gradient_noise(case.architecture.network(), case.X, case.y, case.loss, weights)
    assert noise.variance > 0
    assert noise.confidence_interval("variance") == (0, np.inf)


def test_results_are_values():
    noise = measure(problem(mlp(6, 5, 1), "squared_error", 30))
    again = pickle.loads(pickle.dumps(noise))
    assert same_bits(figures(again), figures(noise))
    assert (again.rows, again.loss) == (noise.rows, noise.loss)
    assert repr(again) == repr(noise)
    assert repr(noise).startswith("GradientNoise(variance=")
    assert repr(noise.layers[0]).startswith("NoiseEstimate(variance=")
    with pytest.raises(AttributeError):
        noise.variance = 1.0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"network": "net"}, TypeError, "network must be a descend.Network, got 'net'"),
        ({"loss": "mse"}, ValueError, "unknown loss 'mse'"),
        ({"X": np.zeros((5, 2))}, ValueError, r"X has shape \(5, 2\)"),
        ({"X": np.full((5, 3), np.nan)}, ValueError, "X is nan at row 0"),
        ({"y": np.zeros(4)}, ValueError, "4"),
        ({"sample_weight": np.zeros(5)}, ValueError, "sample_weight"),
        ({"sample_weight": [0, 0, 1, 1, 1], "order": [0, 1]}, ValueError, "a weight of 0"),
        ({"order": [3]}, ValueError, r"got 1 row\(s\), expected at least 2"),
        ({"order": []}, ValueError, r"got 0 row\(s\), expected at least 2"),
        ({"order": [0, 5]}, ValueError, "row index 5 at place 1, but X has 5 rows"),
        ({"order": [0.5, 1]}, TypeError, "order"),
        ({"threads": -1}, ValueError, "threads"),
    ],
)
def test_errors_say_what_came(changes, error, message):
    arguments = {
        "network": ds.Network(3, [ds.Dense(1)]),
        "X": np.zeros((5, 3)),
        "y": np.zeros(5),
        "loss": "squared_error",
    }
    with pytest.raises(error, match=message) as caught:
        ds.gradient_noise(**(arguments | changes))
    assert str(caught.value).startswith("gradient_noise: ")


CLASSES = problem(mlp(5, 4), "softmax_cross_entropy", 20, as_labels=True)
NUMBERS = problem(mlp(5, 4), "squared_error", 20)
PROBABILITIES = problem(mlp(5, 4), "softmax_cross_entropy", 20)


@pytest.mark.parametrize(
    ("case", "options"),
    [
        (CLASSES, {"class_weight": [1, 2]}),
        (CLASSES, {"class_weight": []}),
        (CLASSES, {"class_weight": [1, 2, -1, 1]}),
        (CLASSES, {"class_weight": [0, 0, 0, 0]}),
        (CLASSES, {"class_weight": {4: 1.0}}),
        (CLASSES, {"class_weight": {0: "a"}}),
        (CLASSES, {"class_weight": "balance"}),
        (CLASSES, {"label_smoothing": 1.0}),
        (CLASSES, {"label_smoothing": "a"}),
        (NUMBERS, {"class_weight": "balanced"}),
        (NUMBERS, {"label_smoothing": 0.1}),
        (PROBABILITIES, {"class_weight": "balanced"}),
    ],
)
def test_class_weights_and_smoothed_labels_have_the_errors_of_the_trainer(case, options):
    with pytest.raises((TypeError, ValueError)) as of_trainer:
        ds.Trainer(case.architecture.network(), case.loss, **options).run_epoch(case.X, case.y)
    with pytest.raises(of_trainer.type) as of_noise:
        measure(case, **options)
    said = str(of_trainer.value).replace("Trainer.run_epoch: ", "Trainer: ")
    assert str(of_noise.value) == said.replace("Trainer: ", "gradient_noise: ")


def test_figures_refuse_what_they_cannot_take():
    noise = measure(problem(mlp(2, 1), "squared_error", 10))
    with pytest.raises(ValueError, match="batch_size"):
        noise.standard_error(0)
    with pytest.raises(TypeError, match="batch_size"):
        noise.relative_standard_error(1.5)
    with pytest.raises(ValueError, match="batch_size 11 is above the population of 10 rows"):
        noise.standard_error(11, population=10)
    for name in ("standard_error", "relative_standard_error"):
        for population, error in (("5", TypeError), (0, ValueError), (1.5, TypeError)):
            with pytest.raises(error, match=rf"^GradientNoise\.{name}: population must be"):
                getattr(noise, name)(4, population=population)
        with pytest.raises(ValueError, match=rf"^gradient_noise: {name}: batch_size 11 is above"):
            getattr(noise, name)(11, population=10)
    with pytest.raises(ValueError, match="unknown figure 'sigma'; known figures: noise_scale"):
        noise.confidence_interval("sigma")
    for level in (0, 1, float("nan")):
        with pytest.raises(ValueError, match="level must be between 0 and 1"):
            noise.confidence_interval(level=level)


def test_an_overflow_is_an_error():
    network = ds.Network(1, [ds.Dense(1)], dtype="float32")
    network.set_parameters([(np.full((1, 1), 1e30), np.zeros(1))])
    with pytest.raises(FloatingPointError, match=r"gradient_noise: .* not finite in float32"):
        ds.gradient_noise(network, [[1e20], [1.0]], [0.0, 0.0], "squared_error")
