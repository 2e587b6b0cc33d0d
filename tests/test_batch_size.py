"""batch_size_report: what each batch size costs and gives."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from descend.batch_size import _report, _Timing
from strategies import mlp, problem
from tolerances import same_bits

CASE = problem(mlp(6, 16, 3), "softmax_cross_entropy", 100, as_labels=True)
WITH_WEIGHTS = problem(mlp(6, 16, 3), "squared_error", 100, weights=True)


def trainer_of(case, **options):
    return ds.Trainer(case.architecture.network(), loss=case.loss, threads=1, **options)


def report_of(case, trainer=None, **options):
    trainer = trainer or trainer_of(case)
    few = {"sizes": [4, 32], "seconds": 0.02, "epochs": 2}
    arguments = few | {"sample_weight": case.sample_weight} | options
    return ds.batch_size_report(trainer, case.X, case.y, **arguments)


@pytest.fixture(scope="module")
def report():
    return report_of(CASE, sizes=None)


@pytest.mark.parametrize("case", [CASE, WITH_WEIGHTS], ids=["plain", "weighted"])
def test_the_trainer_is_left_as_it_was(case):
    options = {"optimizer": ds.Adam(0.01), "batch_size": 16, "l2": 0.01, "seed": 3}
    trainer, twin = trainer_of(case, **options), trainer_of(case, **options)
    for each in (trainer, twin):
        each.fit(case.X, case.y, sample_weight=case.sample_weight)
    report_of(case, trainer)
    assert (trainer.epoch, trainer.steps, trainer.batch_size) == (1, twin.steps, 16)
    assert same_bits(trainer.optimizer_state.vectors, twin.optimizer_state.vectors)
    for each in (trainer, twin):
        each.fit(case.X, case.y, sample_weight=case.sample_weight)
    assert same_bits(trainer.network.parameters(), twin.network.parameters())


def test_sizes_are_the_powers_of_two_that_the_rows_allow(report):
    assert [row.batch_size for row in report.rows] == [1, 2, 4, 8, 16, 32, 64]
    chosen = report_of(CASE, sizes=np.array([100, 7, 7]))
    assert [row.batch_size for row in chosen.rows] == [7, 100]


def test_larger_minibatches_go_through_faster(report):
    first, last = report.rows[0], report.rows[-1]
    assert last.samples_per_second > 2 * first.samples_per_second
    assert last.microseconds_per_step > first.microseconds_per_step
    for row in report.rows:
        # The last, short minibatch of an epoch is a step too.
        rows_a_step = 1e-6 * row.microseconds_per_step * row.samples_per_second
        assert 0.4 * row.batch_size < rows_a_step < 2.5 * row.batch_size


def test_the_noise_is_looked_for_ahead():
    trainer, twin = (trainer_of(CASE, batch_size=8, seed=5) for _ in range(2))
    report = report_of(CASE, trainer, epochs=3, sizes=[8], seconds=0.2)
    expected = []
    for epoch in range(4):
        if epoch:
            twin.fit(CASE.X, CASE.y)
        noise = ds.gradient_noise(twin.network, CASE.X, CASE.y, CASE.loss)
        expected.append(noise.noise_scale)
    assert report.noise_scales == expected
    assert report.noise_scale == np.median(expected)
    assert report.noise.noise_scale == expected[0]
    now = report_of(CASE, epochs=0)
    assert now.noise_scales == [now.noise_scale]


@pytest.mark.parametrize("options", [{"class_weight": [1, 5, 0.2]}, {"label_smoothing": 0.3}])
def test_the_noise_is_that_of_the_trainers_loss(options):
    trainer, twin = (trainer_of(CASE, batch_size=8, **options) for _ in range(2))
    report = report_of(CASE, trainer, epochs=1, sizes=[8], seconds=0.2)
    for scale in report.noise_scales:
        noise = ds.gradient_noise(twin.network, CASE.X, CASE.y, CASE.loss, **options)
        plain = ds.gradient_noise(twin.network, CASE.X, CASE.y, CASE.loss)
        assert scale == noise.noise_scale != plain.noise_scale
        twin.fit(CASE.X, CASE.y)
    assert len(report.noise_scales) == 2


def test_looking_ahead_goes_on_from_the_optimizers_state():
    trainer, twin = (trainer_of(CASE, optimizer=ds.Adam(0.01), batch_size=None) for _ in range(2))
    for each in (trainer, twin):
        each.fit(CASE.X, CASE.y, epochs=3)
    report = report_of(CASE, trainer, epochs=1, sizes=[8], seconds=0.2)
    # Without a batch size of its own the copy takes 64; so must the twin, in the same epoch.
    follower = trainer_of(CASE, optimizer=ds.Adam(0.01), batch_size=64)
    follower.network.set_parameters(twin.network.parameters())
    follower.optimizer_state = twin.optimizer_state
    follower.fit(CASE.X, CASE.y)
    noise = ds.gradient_noise(follower.network, CASE.X, CASE.y, CASE.loss)
    assert report.noise_scales[1] == noise.noise_scale


def test_a_run_that_diverges_has_a_report_too():
    case = problem(mlp(6, 16, 3, activation="relu", dtype="float32"), "squared_error", 100)
    trainer = trainer_of(case, optimizer=ds.SGD(1e15))
    report = report_of(case, trainer, epochs=3, seconds=0.2)
    assert len(report.noise_scales) == 1
    assert report.recommended in {row.batch_size for row in report.rows}


# ---- from measurements to a recommendation ----------------------------------------------------


def made(noise_scales, seconds_per_row):
    noise = ds.gradient_noise(CASE.architecture.network(), CASE.X, CASE.y, CASE.loss)
    timings = [_Timing(2**k, 2**k * seconds, seconds) for k, seconds in enumerate(seconds_per_row)]
    return _report(noise, noise_scales, timings)


@given(
    st.lists(st.floats(0.1, 1e6), min_size=1, max_size=6),
    st.lists(st.floats(1e-7, 1e-3), min_size=1, max_size=14),
)
def test_rows_follow_from_noise_and_speed(scales, seconds_per_row):
    report = made(scales, seconds_per_row)
    scale = np.median(scales)
    sizes = np.array([row.batch_size for row in report.rows])
    speeds = np.array([row.samples_per_second for row in report.rows])
    steps = np.array([row.relative_steps for row in report.rows])
    times = np.array([row.relative_time for row in report.rows])
    errors = np.array([row.relative_standard_error for row in report.rows])
    assert np.allclose(errors, np.sqrt(scale / sizes))
    assert np.allclose(steps, (1 + scale / sizes) / (1 + scale / sizes).min())
    assert np.allclose(times, (sizes + scale) / speeds / ((sizes + scale) / speeds).min())
    low, high = report.recommended_range
    assert low <= report.recommended <= high
    assert all(times[(sizes >= low) & (sizes <= high)] <= 1.25)
    assert 1.0 in times[(sizes >= low) & (sizes <= high)]
    neighbours = times[(sizes == low / 2) | (sizes == 2 * high)]
    assert all(neighbours > 1.25)


def test_little_noise_and_equal_speed_call_for_small_minibatches():
    assert made([0.01], [1e-6] * 8).recommended_range == (1, 1)


def test_much_noise_calls_for_the_size_that_goes_through_fastest():
    # 10 us a step and 1 us a row: the rows a second rise to the end.
    seconds_per_row = [1e-6 + 10e-6 / 2**k for k in range(10)]
    assert made([1e9], seconds_per_row).recommended_range[1] == 512
    unknown = made([float("inf")], seconds_per_row)
    assert unknown.recommended_range == made([1e9], seconds_per_row).recommended_range
    assert unknown.rows[0].relative_steps == 512
    assert unknown.rows[0].relative_standard_error == float("inf")


def test_the_middle_of_the_range_is_recommended():
    seconds_per_row = [1e-6 + 10e-6 / 2**k for k in range(10)]
    report = made([30], seconds_per_row)
    low, high = report.recommended_range
    assert low < report.recommended < high or high == 2 * low == 2 * (high // 2)
    assert abs(np.log2(report.recommended**2 / (low * high))) <= 1


# ---- how it is shown --------------------------------------------------------------------------


def test_the_table_has_a_line_a_size_and_marks_the_range(report):
    header, *lines, noise, recommended = str(report).splitlines()
    assert header.split()[:2] == ["batch", "size"]
    assert [int(line.split()[0]) for line in lines] == [row.batch_size for row in report.rows]
    low, high = report.recommended_range
    for line, row in zip(lines, report.rows, strict=True):
        assert line.endswith("*") == (low <= row.batch_size <= high)
    assert noise.startswith("noise scale ")
    assert f"recommended batch size {report.recommended}" in recommended
    assert f"recommended={report.recommended}" in repr(report)


def test_to_dict_is_plain(report):
    record = json.loads(json.dumps(report.to_dict()))
    assert record["recommended"] == report.recommended
    assert record["recommended_range"] == list(report.recommended_range)
    assert [row["batch_size"] for row in record["rows"]] == [r.batch_size for r in report.rows]
    assert record["noise"]["variance"] == report.noise.variance


@pytest.mark.parametrize("scale", [30.0, float("inf")])
def test_the_figure_has_both_curves_and_the_range(tmp_path, scale):
    report = made([scale], [1e-6 + 10e-6 / 2**k for k in range(10)])
    figure = report.plot(tmp_path / "sizes.svg")
    assert (tmp_path / "sizes.svg").read_text().lstrip().startswith("<?xml")
    errors, speeds = figure.axes
    labels = [text.get_text() for text in errors.get_legend().get_texts()]
    assert ("standard error" in labels) == (scale < float("inf"))
    assert {"throughput", "recommended range", "recommended"} <= set(labels)
    assert list(speeds.lines[0].get_xdata()) == [row.batch_size for row in report.rows]


# ---- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"trainer": "trainer"}, TypeError, "trainer must be a descend.Trainer, got 'trainer'"),
        ({"X": np.zeros((100, 5))}, ValueError, r"X has shape \(100, 5\)"),
        ({"y": ["a"] * 100}, TypeError, "batch_size_report: "),
        ({"X": CASE.X[:1], "y": CASE.y[:1]}, ValueError, r"got 1 row\(s\), expected at least 2"),
        ({"sizes": []}, ValueError, "sizes is empty"),
        ({"sizes": [0]}, ValueError, "sizes must be from 1 to 100, .* got 0"),
        ({"sizes": [101]}, ValueError, "sizes must be from 1 to 100, .* got 101"),
        ({"sizes": [2.0]}, TypeError, "sizes must be whole numbers, got 2.0"),
        ({"sizes": [True]}, TypeError, "sizes must be whole numbers, got True"),
        ({"epochs": -1}, ValueError, "epochs must be a number of at least 0, got -1"),
        ({"epochs": 1.5}, TypeError, "epochs must be a number of at least 0, got 1.5"),
        ({"seconds": -1.0}, ValueError, "seconds must be a number of at least 0"),
        ({"seconds": float("nan")}, ValueError, "seconds must be a number of at least 0"),
        ({"sample_weight": np.zeros(100)}, ValueError, "sample_weight"),
        (
            {"trainer": trainer_of(CASE, class_weight="balanced"), "y": np.full((100, 3), 1 / 3)},
            ValueError,
            "class_weight takes class indices",
        ),
    ],
)
def test_errors_say_what_came(changes, error, message):
    arguments = {"trainer": trainer_of(CASE), "X": CASE.X, "y": CASE.y} | changes
    with pytest.raises(error, match=message) as caught:
        ds.batch_size_report(**arguments)
    assert str(caught.value).startswith("batch_size_report: ")
