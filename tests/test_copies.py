"""Pickles and copies of networks and optimizers."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given

import descend as ds
from strategies import architectures, mlp, optimizers, problem
from tolerances import same_bits

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda it, protocol=protocol: pickle.loads(pickle.dumps(it, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
each_copy = pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)


@each_copy
@given(architecture=architectures(dropout=True))
def test_a_copy_has_the_same_bits(duplicate, architecture):
    network = architecture.network()
    other = duplicate(network)
    assert type(other) is ds.Network
    assert same_bits(other.parameters(), network.parameters())
    assert other.layers == network.layers
    assert repr(other) == repr(network)
    X = np.ones((3, architecture.inputs))
    assert same_bits(other.predict(X), network.predict(X))


@each_copy
def test_a_copy_trains_alone_and_alike(duplicate):
    case = problem(mlp(3, 5, 2), "squared_error", 20)
    network = case.architecture.network()
    ds.Trainer(network, loss=case.loss).fit(case.X, case.y)
    other = duplicate(network)
    kept = network.parameters()
    loss = ds.Trainer(other, loss=case.loss).run_epoch(case.X, case.y)
    assert same_bits(network.parameters(), kept)
    assert ds.Trainer(network, loss=case.loss).run_epoch(case.X, case.y) == loss
    assert same_bits(network.parameters(), other.parameters())


@each_copy
@given(optimizer=optimizers())
def test_a_copied_optimizer_is_equal(duplicate, optimizer):
    assert duplicate(optimizer[0]) == optimizer[0]
