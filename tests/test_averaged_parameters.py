"""The moving average of the parameters that a trainer keeps beside them."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import descend as ds
from reference.optimizers import OPTIMIZERS, SMOOTH
from strategies import batch_sizes, mlp, optimizers, problem, problems, trainer_pair
from tolerances import assert_layers_close, same_bits

CASE = problem(mlp(4, 9, 2), "squared_error", 50, seed=8)
DECAYS = st.sampled_from([0.0, 0.5, 0.9, 0.999])


@given(st.data(), problems(st.just("float64"), dropout=True), optimizers(SMOOTH), DECAYS)
def test_the_average_follows_the_reference(data, case, optimizer, decay):
    batch_size = data.draw(batch_sizes(case.rows))
    trainer, twin = trainer_pair(case, *optimizer, batch_size=batch_size, average_decay=decay)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = [twin.run_epoch(case.X, case.y, None, case.sample_weight) for _ in range(3)]
    assume(all(loss < 10 * expected[0] for loss in expected))
    for _ in range(3):
        trainer.run_epoch(case.X, case.y, None, case.sample_weight)
    assert_layers_close(trainer.averaged_network.parameters(), twin.average, 1e-8, "average")


def test_batches_of_many_rows_are_averaged_too():
    case = problem(mlp(70, 70, 4), "squared_error", 1500, seed=1)
    trainer, twin = trainer_pair(
        case, ds.Adam(), OPTIMIZERS["Adam"](), batch_size=None, average_decay=0.9, clip_norm=0.1
    )
    for _ in range(3):
        trainer.run_epoch(case.X, case.y)
        twin.run_epoch(case.X, case.y)
    assert_layers_close(trainer.averaged_network.parameters(), twin.average, 1e-8, "average")


@given(optimizers(), DECAYS)
def test_an_average_changes_nothing_of_the_training(optimizer, decay):
    networks = [CASE.architecture.network() for _ in range(2)]
    plain = ds.Trainer(networks[0], CASE.loss, optimizer[0], batch_size=8)
    kept = ds.Trainer(networks[1], CASE.loss, optimizer[0], batch_size=8, average_decay=decay)
    assert plain.fit(CASE.X, CASE.y, epochs=2).loss == kept.fit(CASE.X, CASE.y, epochs=2).loss
    assert same_bits(networks[0].parameters(), networks[1].parameters())
    if decay == 0.0:
        assert same_bits(kept.averaged_network.parameters(), networks[1].parameters())


def test_the_average_starts_at_the_parameters_before_the_first_step():
    trainer = ds.Trainer(CASE.architecture.network(), CASE.loss, average_decay=0.75)
    other = [(w + 1, b + 2) for w, b in trainer.network.parameters()]
    trainer.network.set_parameters(other)
    assert same_bits(trainer.averaged_network.parameters(), other)
    trainer.step(CASE.X, CASE.y)
    expected = [
        [0.75 * then + 0.25 * now for then, now in zip(old, new, strict=True)]
        for old, new in zip(other, trainer.network.parameters(), strict=True)
    ]
    assert_layers_close(trainer.averaged_network.parameters(), expected, 1e-14, "average")


def test_the_averaged_network_is_a_copy_of_the_same_architecture():
    architecture = mlp(4, 9, 2, activation="gelu", dtype="float32")
    case = problem(architecture, "squared_error", 50, seed=8)
    trainer = ds.Trainer(architecture.network(), case.loss, average_decay=0.5)
    trainer.fit(case.X, case.y)
    averaged = trainer.averaged_network
    assert isinstance(averaged, ds.Network)
    assert (averaged.layers, averaged.dtype) == (trainer.network.layers, "float32")
    before = averaged.parameters()
    trainer.fit(case.X, case.y)
    assert same_bits(averaged.parameters(), before)
    averaged.set_parameters(trainer.network.parameters())
    assert not same_bits(trainer.averaged_network.parameters(), trainer.network.parameters())


def test_a_step_that_overflows_is_not_averaged():
    case = problem(mlp(3, 7, 2, dtype="float32"), "squared_error", 6, seed=3)
    trainer = ds.Trainer(case.architecture.network(), case.loss, ds.SGD(1e38), average_decay=0.5)
    before = trainer.network.parameters()
    with pytest.raises(FloatingPointError):
        trainer.step(1e6 * case.X, 1e6 * case.y)
    assert same_bits(trainer.averaged_network.parameters(), before)


def test_a_trainer_without_an_average_says_how_to_keep_one():
    trainer = ds.Trainer(CASE.architecture.network(), CASE.loss)
    with pytest.raises(ValueError, match=r"Trainer\.averaged_network: .*average_decay"):
        _ = trainer.averaged_network


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_out_of_range_is_an_error(decay):
    with pytest.raises(ValueError, match=r"Trainer: average_decay must be in \[0, 1\)"):
        ds.Trainer(CASE.architecture.network(), CASE.loss, average_decay=decay)


def test_an_average_goes_on_in_another_trainer():
    first, second = (
        ds.Trainer(CASE.architecture.network(), CASE.loss, ds.SGD(0.01), average_decay=0.8)
        for _ in range(2)
    )
    first.step(CASE.X, CASE.y)
    second.network.set_parameters(first.network.parameters())
    second.set_averaged_parameters(first.averaged_network.parameters())
    for trainer in (first, second):
        trainer.step(CASE.X, CASE.y)
    averages = [trainer.averaged_network.parameters() for trainer in (first, second)]
    assert same_bits(*averages)


def test_an_average_that_does_not_fit_is_refused():
    network = CASE.architecture.network()
    trainer = ds.Trainer(network, CASE.loss, average_decay=0.8)
    trainer.step(CASE.X, CASE.y)
    before = trainer.averaged_network.parameters()
    with pytest.raises(ValueError, match=r"set_averaged_parameters.*shape"):
        trainer.set_averaged_parameters([(w.T, b) for w, b in before])
    with pytest.raises(ValueError, match=r"set_averaged_parameters.*NaN"):
        trainer.set_averaged_parameters([(w * np.nan, b) for w, b in before])
    with pytest.raises(TypeError, match=r"set_averaged_parameters.*complex"):
        trainer.set_averaged_parameters([(w + 1j, b) for w, b in before])
    assert same_bits(trainer.averaged_network.parameters(), before)
    with pytest.raises(ValueError, match="average_decay"):
        ds.Trainer(network, CASE.loss).set_averaged_parameters(before)
