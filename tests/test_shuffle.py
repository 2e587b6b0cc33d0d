"""The visiting order of minibatch gradient descent, read off the core's own training.

A bias alone under squared error with learning rate 1 becomes the target of the row it saw last,
so with y_i = i and single rows the bias after k steps is the k-th row visited.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.shuffle import permutation
from strategies import SEEDS, mlp, problem
from tolerances import same_bits


class OrderProbe:
    """Shows which row a trainer visits at each step."""

    def __init__(self, rows, seed):
        self.network = ds.Network(inputs=1, layers=[ds.Dense(1)], dtype="float64")
        self.trainer = ds.Trainer(
            self.network,
            loss="squared_error",
            optimizer=ds.SGD(learning_rate=1.0),
            batch_size=1,
            seed=seed,
        )
        self.X, self.y = np.zeros((rows, 1)), np.arange(rows, dtype=float)[:, None]

    def row_at(self, step):
        """Return the row visited at ``step`` (from 1) of a new epoch."""
        self.trainer.fit(self.X, self.y, epochs=1, stop=ds.Stop(max_steps=step))
        return int(self.network.parameters()[0][1][0])


def visiting_order(rows, seed):
    return [OrderProbe(rows, seed).row_at(step) for step in range(1, rows + 1)]


@given(st.integers(1, 40), SEEDS)
def test_each_row_is_visited_once_per_epoch(rows, seed):
    assert sorted(visiting_order(rows, seed)) == list(range(rows))


@given(st.integers(1, 40), SEEDS)
def test_the_order_is_the_reference_permutation(rows, seed):
    assert visiting_order(rows, seed) == permutation(rows, seed, epoch=0).tolist()


@given(st.integers(1, 200), SEEDS, st.integers(1, 9))
def test_an_epoch_gives_the_bits_of_its_reference_permutation(rows, seed, batch_size):
    case = problem(mlp(2, 3, 1), "squared_error", rows)
    shuffled, ordered = (
        ds.Trainer(case.architecture.network(), loss=case.loss, batch_size=batch_size, seed=seed)
        for _ in range(2)
    )
    for epoch in range(3):
        order = permutation(rows, seed, epoch)
        assert shuffled.run_epoch(case.X, case.y) == ordered.run_epoch(case.X, case.y, order=order)
    assert same_bits(shuffled.network.parameters(), ordered.network.parameters())


def assert_uniform(rows, count):
    frequencies = np.bincount(rows, minlength=count)
    expected = len(rows) / count
    assert frequencies.size == count
    # 27.9 is exceeded once in a thousand with 9 degrees of freedom.
    assert ((frequencies - expected) ** 2 / expected).sum() < 27.9


def test_the_first_row_is_uniform_over_seeds():
    assert_uniform([OrderProbe(10, seed).row_at(1) for seed in range(2000)], 10)


def test_the_first_row_is_uniform_over_epochs():
    probe = OrderProbe(10, seed=7)
    assert_uniform([probe.row_at(1) for _ in range(2000)], 10)


def test_the_order_differs_by_epoch_and_by_seed():
    orders = {tuple(OrderProbe(30, seed).row_at(step) for step in range(1, 9)) for seed in range(9)}
    assert len(orders) == 9
    probe = OrderProbe(10**6, seed=0)
    assert len({probe.row_at(1) for _ in range(20)}) > 15


def test_the_order_is_the_same_for_the_same_seed():
    assert visiting_order(25, seed=2**64 - 1) == visiting_order(25, seed=2**64 - 1)


def test_without_shuffling_rows_are_visited_as_they_stand():
    probe = OrderProbe(9, seed=0)
    trainer = ds.Trainer(
        probe.network,
        loss="squared_error",
        optimizer=ds.SGD(learning_rate=1.0),
        batch_size=1,
        shuffle=False,
    )
    for step in range(1, 10):
        trainer.fit(probe.X, probe.y, epochs=1, stop=ds.Stop(max_steps=step))
        assert probe.network.parameters()[0][1][0] == step - 1


@pytest.mark.parametrize("rows", [1, 2, 255, 256, 257, 100_000])
def test_every_size_follows_the_reference(rows):
    order = permutation(rows, seed=3, epoch=0)
    assert OrderProbe(rows, 3).row_at(1) == order[0]
    assert OrderProbe(rows, 3).row_at(rows) == order[-1]
