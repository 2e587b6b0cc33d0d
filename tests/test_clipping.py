"""The gradient of a step clipped by value and by its norm, the penalty's included."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import descend as ds
from reference.optimizers import OPTIMIZERS, SMOOTH
from strategies import batch_sizes, mlp, optimizers, problem, problems, trainer_pair
from tolerances import assert_close, assert_layers_close, same_bits

BOUNDS = st.sampled_from([None, 1e-3, 0.02, 0.5, 1e6])
CASE = problem(mlp(4, 9, 2), "squared_error", 50, seed=8)


@given(st.data(), problems(st.just("float64")), optimizers(SMOOTH), BOUNDS, BOUNDS, st.booleans())
def test_clipped_epochs_follow_the_reference(data, case, optimizer, norm, value, penalised):
    trainer, twin = trainer_pair(
        case,
        *optimizer,
        batch_size=data.draw(batch_sizes(case.rows)),
        clip_norm=norm,
        clip_value=value,
        l2=0.1 if penalised else 0.0,
        l1=0.01 if penalised else 0.0,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        expected = [twin.run_epoch(case.X, case.y, None, case.sample_weight) for _ in range(3)]
    assume(all(loss < 10 * expected[0] for loss in expected))
    losses = [trainer.run_epoch(case.X, case.y, None, case.sample_weight) for _ in range(3)]
    assert_close(losses, expected, 1e-8, "losses")
    assert_layers_close(trainer.network.parameters(), twin.network.parameters, 1e-8, "trajectory")


@pytest.mark.parametrize("options", [{"clip_norm": 0.01}, {"clip_value": 1e-3}])
@pytest.mark.parametrize("batch_size", [None, 1500])
def test_batches_of_many_rows_are_clipped_as_a_whole(batch_size, options):
    case = problem(mlp(70, 70, 4), "squared_error", 3100, seed=1, weights=True)
    trainer, twin = trainer_pair(
        case, ds.Adam(), OPTIMIZERS["Adam"](), batch_size=batch_size, l2=0.1, **options
    )
    for _ in range(3):
        loss = trainer.run_epoch(case.X, case.y, sample_weight=case.sample_weight)
        expected = twin.run_epoch(case.X, case.y, sample_weight=case.sample_weight)
        assert_close(loss, expected, 1e-8, "loss")
    assert_layers_close(trainer.network.parameters(), twin.network.parameters, 1e-8, "trajectory")


def step_taken(case, scale=1.0, **options):
    """Return what one step of plain descent at a rate of 1 took off the parameters."""
    network = case.architecture.network()
    before = network.parameters()
    trainer = ds.Trainer(network, case.loss, ds.SGD(1.0), batch_size=None, **options)
    trainer.step(case.X, scale * case.y)
    pairs = zip(before, network.parameters(), strict=True)
    return np.concatenate(
        [(a - b).ravel() for old, new in pairs for a, b in zip(old, new, strict=True)]
    )


def test_a_norm_is_clipped_to_exactly_the_bound():
    whole = step_taken(CASE)
    norm = np.linalg.norm(whole)
    assert_close(step_taken(CASE, clip_norm=norm / 7), whole / 7, 1e-13)
    assert same_bits(step_taken(CASE, clip_norm=2 * norm), whole)


def test_elements_are_clipped_before_the_norm():
    whole = step_taken(CASE)
    most = np.abs(whole).max() / 4
    clipped = np.clip(whole, -most, most)
    assert_close(step_taken(CASE, clip_value=most), clipped, 1e-13)
    both = step_taken(CASE, clip_value=most, clip_norm=0.1)
    assert_close(both, 0.1 * clipped / np.linalg.norm(clipped), 1e-13)


@pytest.mark.parametrize("clipping", [{"clip_norm": 0.3}, {"clip_value": 0.01}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_squares_beyond_the_range_are_clipped_too(dtype, clipping):
    # Of float32 their sum overflows; each element does not.
    case = problem(mlp(4, 9, 2, dtype=dtype), "absolute_error", 50, seed=8)
    case.X[:] *= case.X.dtype.type(1e25)
    taken = step_taken(case, **clipping)
    assert np.isfinite(taken).all()
    if "clip_norm" in clipping:
        assert_close(np.linalg.norm(taken), 0.3, 1e-6)
    else:
        assert_close(np.abs(taken).max(), 0.01, 1e-6)


@pytest.mark.parametrize("options", [{"clip_norm": 1.0}, {"clip_value": 1.0}])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_gradient_that_overflowed_is_not_clipped_but_refused(options, threads):
    network = mlp(1, 1, dtype="float32").network()
    before = network.parameters()
    options = {"optimizer": ds.SGD(0.1), "l2": 1e38, "threads": threads, **options}
    trainer = ds.Trainer(network, "absolute_error", **options)
    network.set_parameters([(np.full((1, 1), 1e15), np.zeros(1))])
    before = network.parameters()
    with pytest.raises(FloatingPointError, match=r"the update of step 1 .*overflows float32"):
        trainer.step(np.ones((4, 1)), np.ones(4))
    assert same_bits(network.parameters(), before)
    assert trainer.steps == 0


def test_clipping_lets_an_exploding_run_go_on():
    def run(**clipping):
        optimizer = ds.SGD(3.0, momentum=0.9)
        trainer = ds.Trainer(CASE.architecture.network(), CASE.loss, optimizer, **clipping)
        return trainer.fit(CASE.X, 100 * CASE.y, epochs=2000).steps

    assert run(clip_norm=1.0) == run(clip_value=1.0) == 2000
    with pytest.raises(FloatingPointError):
        run()


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e39])
def test_a_bound_out_of_range_is_an_error(name, value):
    with pytest.raises(ValueError, match=f"Trainer: {name} must be above 0"):
        ds.Trainer(CASE.architecture.network(), CASE.loss, **{name: value})


def test_settings_can_be_read_back():
    trainer = ds.Trainer(CASE.architecture.network(), CASE.loss, clip_norm=2.0, clip_value=0.5)
    assert (trainer.clip_norm, trainer.clip_value, trainer.average_decay) == (2.0, 0.5, None)
