"""Trainer(track_gradient_noise=True): the noise scale of each epoch, beside an equal training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.gradient_noise import moments, row_gradients
from reference.network import Layer
from strategies import Architecture, mlp, optimizers, problem, problems
from tolerances import same_bits

CASE = problem(mlp(4, 6, 3), "poisson", 90, seed=3)


def trainer(case=CASE, **options):
    return ds.Trainer(case.architecture.network(), loss=case.loss, **options)


def scale_of_minibatches(case, sizes):
    """Return the ratio of the sums of both figures over minibatches of adjacent rows."""
    network = case.architecture.network()
    sums = np.zeros(2)
    for first, size in sizes:
        if size == 1:  # shows no noise
            continue
        rows = slice(first, first + size)
        weights = None if case.sample_weight is None else case.sample_weight[rows]
        layers = row_gradients(network, case.X[rows], case.y[rows], case.loss, weights)
        sums += moments(np.concatenate(layers, axis=1))
    return sums[0] / sums[1] if sums[1] > 0 else np.inf


@given(
    case=problems(dropout=True),
    optimizer=optimizers().map(lambda pair: pair[0]),
    batch_size=st.sampled_from([2, 3, 16, None]),
    penalty=st.sampled_from([{}, {"l2": 0.1, "l1": 0.01}]),
    threads=st.sampled_from([1, 3]),
)
def test_the_training_is_the_same_to_the_bit(case, optimizer, batch_size, penalty, threads):
    options = {"optimizer": optimizer, "batch_size": batch_size, **penalty}
    runs = [
        trainer(case, track_gradient_noise=tracks, threads=threads, **options)
        for tracks in (False, True)
    ]
    outcomes = []
    for run in runs:
        try:
            history = run.fit(case.X, case.y, epochs=2, sample_weight=case.sample_weight)
            outcomes.append([history.loss, len(history.noise_scale)])
        except FloatingPointError as error:
            outcomes.append(str(error))
    if isinstance(outcomes[0], list):
        assert outcomes == [[outcomes[1][0], 0], [outcomes[0][0], 2]]
    else:
        assert outcomes[0] == outcomes[1]
    assert same_bits(runs[0].network.parameters(), runs[1].network.parameters())
    assert same_bits(runs[0].optimizer_state.vectors, runs[1].optimizer_state.vectors)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("batch_size", [2, 3, 7, 89, 90])
def test_the_scale_is_that_of_some_minibatches(batch_size, weights):
    case = problem(mlp(4, 6, 3), "poisson", 90, seed=3, weights=weights)
    run = trainer(
        case,
        batch_size=batch_size,
        shuffle=False,
        optimizer=ds.SGD(1e-30),  # the parameters stay
        track_gradient_noise=True,
    )
    history = run.fit(case.X, case.y, epochs=2, sample_weight=case.sample_weight)
    sizes = [(first, min(batch_size, 90 - first)) for first in range(0, 90, batch_size)]
    if weights:  # a minibatch without weight is no step
        sizes = [(first, n) for first, n in sizes if case.sample_weight[first : first + n].any()]
    between = min(max(-(-90 // batch_size) // 8, 1), 8)
    sizes = sizes[::between]
    expected = scale_of_minibatches(case, sizes)
    assert history.noise_scale == pytest.approx([expected, expected], rel=1e-9)


def test_a_minibatch_of_several_blocks_is_measured_too():
    case = problem(mlp(3, 5, 2), "huber", 2500, seed=4)
    run = trainer(case, batch_size=None, optimizer=ds.SGD(1e-30), track_gradient_noise=True)
    (scale,) = run.fit(case.X, case.y).noise_scale
    assert scale == pytest.approx(scale_of_minibatches(case, [(0, 2500)]), rel=1e-9)
    noise = ds.gradient_noise(run.network, case.X, case.y, case.loss)
    assert scale == pytest.approx(noise.noise_scale, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_any_number_of_threads(dtype):
    case = problem(mlp(64, 100, 10, dtype=dtype), "softmax_cross_entropy", 1300, as_labels=True)
    scales = [
        trainer(case, batch_size=128, threads=threads, track_gradient_noise=True)
        .fit(case.X, case.y, epochs=2)
        .noise_scale
        for threads in (1, 2, 3)
    ]
    assert np.isfinite(scales[0][0])
    assert same_bits(scales[1], scales[0])
    assert same_bits(scales[2], scales[0])


def test_the_noise_grows_while_the_network_learns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 5))
    y = X @ [1.0, -2.0, 0.5, 0.3, -0.7] + 0.1 * rng.normal(size=2000)
    run = ds.Trainer(
        ds.Network.mlp([5, 1]), "squared_error", ds.SGD(0.01), 64, track_gradient_noise=True
    )
    scales = run.fit(X, y, epochs=30).noise_scale
    # Signal and noise begin alike; at the end the gradient is that of the noise alone.
    assert scales[-1] > 10 * scales[0]


def test_each_epochs_report_has_it():
    reports = []
    history = trainer(track_gradient_noise=True).fit(
        CASE.X, CASE.y, epochs=3, progress=reports.append
    )
    assert [report.noise_scale for report in reports] == history.noise_scale
    plain = trainer()
    history = plain.fit(CASE.X, CASE.y, progress=reports.append)
    assert history.noise_scale == []
    assert reports[-1].noise_scale is None
    assert not plain.track_gradient_noise


def test_one_row_of_data_shows_nothing():
    history = trainer(track_gradient_noise=True).fit(CASE.X[:1], CASE.y[:1])
    assert np.isnan(history.noise_scale).tolist() == [True]


def test_dropout_is_part_of_the_noise():
    scales = []
    for rate in (0.0, 0.5):
        case = problem(Architecture(6, (Layer(30, "relu", rate), Layer(2))), "squared_error", 400)
        run = trainer(case, optimizer=ds.SGD(1e-30), track_gradient_noise=True)
        scales.append(run.fit(case.X, case.y).noise_scale[0])
    assert scales[1] > 1.2 * scales[0]


def test_a_trainer_that_was_saved_goes_on_tracking(tmp_path):
    path = tmp_path / "tracking.safetensors"
    run = trainer(batch_size=8, track_gradient_noise=True)

    def save(report):
        if report.epoch == 2:
            run.save(path)

    expected = run.fit(CASE.X, CASE.y, epochs=4, progress=save)
    loaded = ds.Trainer.load(path)
    assert loaded.track_gradient_noise
    assert loaded.fit(CASE.X, CASE.y, epochs=2).noise_scale == expected.noise_scale


def test_clipping_comes_behind_the_measurement():
    plain = trainer(batch_size=8, optimizer=ds.SGD(1e-30), track_gradient_noise=True)
    options = {"clip_norm": 1e-3, "clip_value": 1e-3, "l2": 10.0}
    clipped = trainer(batch_size=8, optimizer=ds.SGD(1e-30), track_gradient_noise=True, **options)
    scales = [run.fit(CASE.X, CASE.y).noise_scale for run in (plain, clipped)]
    assert same_bits(scales[0], scales[1])


def test_batches_of_ones_own_are_measured_too():
    run = trainer(optimizer=ds.SGD(1e-30), track_gradient_noise=True)
    batches = [(CASE.X[first : first + 9], CASE.y[first : first + 9]) for first in range(0, 90, 9)]
    expected = scale_of_minibatches(CASE, [(0, 9), (72, 9)])
    assert run.fit(batches).noise_scale == pytest.approx([expected], rel=1e-9)


def test_errors_say_what_came():
    with pytest.raises(ValueError, match=r"Trainer: track_gradient_noise needs .* got 1"):
        trainer(batch_size=1, track_gradient_noise=True)
    with pytest.raises(TypeError, match="track_gradient_noise"):
        trainer(track_gradient_noise=1)
