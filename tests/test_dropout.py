"""Dropout: masks keyed by (seed, epoch, layer, row), off outside of training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference import dropout
from reference.network import Layer
from reference.philox import EPOCH_DROPOUT, STEP_DROPOUT
from strategies import SEEDS, Architecture
from tolerances import assert_close, same_bits

RATES = st.floats(0.01, 0.95)


class MaskProbe:
    """Reads masks off the weights' first update.

    One output under absolute error, far from its target, has the gradient -mask in its weights
    (inputs of ones), so SGD with learning rate 1 adds the mask.
    """

    def __init__(self, columns, rate, seed, *, hidden=False, **options):
        dtype = options.pop("dtype", "float64")
        self.columns = columns
        if hidden:
            layers = (Layer(columns, "identity", rate), Layer(1))
            architecture = Architecture(1, layers, dtype)
        else:
            architecture = Architecture(columns, (Layer(1),), dtype, input_dropout=rate)
        self.hidden = hidden
        self.network = architecture.network()
        fresh = [(np.zeros_like(w), np.zeros_like(b)) for w, b in self.network.parameters()]
        if hidden:
            fresh[0][1][:] = 1
        self.fresh = fresh
        self.trainer = ds.Trainer(
            self.network,
            loss="absolute_error",
            optimizer=ds.SGD(learning_rate=1.0),
            seed=seed,
            **options,
        )

    def data(self, rows):
        return np.ones((rows, self.network.inputs)), np.full((rows, 1), 1e9)

    def added(self, train):
        """Return what ``train`` adds to the last layer's weights."""
        self.network.set_parameters(self.fresh)
        train()
        return self.network.parameters()[-1][0][:, 0]

    def epoch(self, rows, order=None):
        return self.added(lambda: self.trainer.run_epoch(*self.data(rows), order=order))

    def step(self, rows):
        return self.added(lambda: self.trainer.step(*self.data(rows)))


@given(st.integers(1, 70), RATES, SEEDS, st.booleans(), st.integers(0, 20))
def test_the_mask_of_a_row_is_the_reference_mask(columns, rate, seed, hidden, row):
    probe = MaskProbe(columns, rate, seed, hidden=hidden)
    for epoch in range(2):
        mask = dropout.mask(rate, [row], columns, seed, epoch, EPOCH_DROPOUT | hidden)
        assert_close(probe.epoch(21, order=[row]), mask[0], 1e-15)


@given(st.integers(1, 70), RATES, SEEDS, st.booleans(), st.integers(1, 9))
def test_single_steps_use_the_steps_done_and_the_place_in_the_batch(
    columns, rate, seed, hidden, rows
):
    probe = MaskProbe(columns, rate, seed, hidden=hidden)
    for steps_done in range(3):
        masks = dropout.mask(rate, range(rows), columns, seed, steps_done, STEP_DROPOUT | hidden)
        assert_close(probe.step(rows), masks.mean(axis=0), 1e-14)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_mean_is_preserved(rate):
    columns, rows = 1000, 64
    factors = MaskProbe(columns, rate, seed=2, batch_size=None).epoch(rows)
    deviation = np.sqrt(rate / (1 - rate) / (columns * rows))
    assert abs(factors.mean() - 1) < 5 * deviation


def test_kept_values_are_scaled_in_the_networks_dtype():
    factors = MaskProbe(200, 0.3, seed=0, dtype="float32").epoch(1)
    assert set(factors.tolist()) == {0.0, float(np.float32(1 / 0.7))}


@given(st.integers(1, 70), SEEDS, st.sampled_from([1, 2, 4, 16, None]), st.sampled_from([1, 2, 5]))
def test_masks_do_not_depend_on_batch_size_or_threads(columns, seed, batch_size, threads):
    rows = 16
    probe = MaskProbe(columns, 0.5, seed, batch_size=batch_size, threads=threads)
    # Steps add the mean over a batch; over powers of two every sum here is exact.
    added = probe.epoch(rows) * (batch_size or rows)
    masks = dropout.mask(0.5, range(rows), columns, seed, 0, EPOCH_DROPOUT)
    assert same_bits(added, masks.sum(axis=0))


def test_masks_differ_by_row_epoch_layer_and_seed():
    probe = MaskProbe(200, 0.5, seed=0)
    masks = [
        probe.epoch(2, order=[0]),
        probe.epoch(2, order=[0]),
        probe.epoch(2, order=[1]),
        MaskProbe(200, 0.5, seed=1).epoch(2, order=[0]),
        MaskProbe(200, 0.5, seed=0, hidden=True).epoch(2, order=[0]),
    ]
    for index, mask in enumerate(masks):
        for other in masks[:index]:
            assert 0.3 < (mask != other).mean() < 0.7


def test_evaluation_drops_nothing():
    dropping = Architecture(6, (Layer(8, "tanh", 0.5), Layer(2)), seed=1, input_dropout=0.5)
    plain = Architecture(6, (Layer(8, "tanh"), Layer(2)), seed=1)
    X = np.random.default_rng(0).normal(size=(20, 6))
    y = np.zeros((20, 2))
    with_dropout, without = dropping.network(), plain.network()
    assert same_bits(with_dropout.parameters(), without.parameters())
    assert same_bits(with_dropout.predict(X), without.predict(X))
    evaluated = [n.loss_and_gradient(X, y, "squared_error") for n in (with_dropout, without)]
    assert same_bits(*map(list, evaluated))


def test_validation_drops_nothing():
    network = Architecture(6, (Layer(8, "tanh", 0.5), Layer(2)), seed=1).network()
    X, y = np.random.default_rng(0).normal(size=(20, 6)), np.zeros((20, 2))
    trainer = ds.Trainer(network, loss="squared_error")
    history = trainer.fit(X, y, epochs=1, validation_data=(X, y))
    assert_close(
        history.validation_loss[0], network.loss_and_gradient(X, y, "squared_error")[0], 1e-14
    )


def test_a_rate_of_zero_is_no_dropout():
    layers = [ds.Dense(8, "tanh"), ds.Dropout(0.0), ds.Dense(2)]
    plain = [ds.Dense(8, "tanh"), ds.Dense(2)]
    X, y = np.random.default_rng(0).normal(size=(20, 6)), np.zeros((20, 2))
    losses = []
    for given_layers in (layers, plain):
        network = ds.Network(inputs=6, layers=given_layers, seed=1)
        losses.append(ds.Trainer(network, loss="squared_error").fit(X, y, epochs=3).loss)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_a_rate_outside_of_zero_to_one_is_an_error(rate):
    with pytest.raises(ValueError, match=r"(?i)dropout"):
        ds.Network(inputs=2, layers=[ds.Dense(2), ds.Dropout(rate), ds.Dense(1)])


@pytest.mark.parametrize(
    "layers",
    [
        [ds.Dense(2), ds.Dropout(0.5)],
        [ds.Dense(2), ds.Dropout(0.5), ds.Dropout(0.5), ds.Dense(1)],
        [ds.Dropout(0.5), ds.Dropout(0.5), ds.Dense(1)],
        [ds.Dropout(0.5)],
    ],
)
def test_dropout_stands_before_a_dense_layer_and_not_twice(layers):
    with pytest.raises(ValueError, match=r"Network: .*(?i:dropout|dense)"):
        ds.Network(inputs=2, layers=layers)
