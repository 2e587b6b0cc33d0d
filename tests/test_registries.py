"""Every name that the library lists has a twin in the reference, with the same defaults."""

import dataclasses

import pytest

import descend as ds
from reference.activations import ACTIVATIONS
from reference.initializers import INITIALIZERS
from reference.losses import LOSSES
from reference.metrics import METRICS
from reference.optimizers import OPTIMIZERS

LISTS = {
    "activation": (ds.activations, ACTIVATIONS),
    "loss": (ds.losses, LOSSES),
    "metric": (ds.metrics, METRICS),
    "optimizer": (ds.optimizers, OPTIMIZERS),
    "initializer": (ds.initializers, INITIALIZERS),
}


@pytest.mark.parametrize("kind", LISTS)
def test_every_name_has_a_reference_twin(kind):
    names, twins = LISTS[kind]
    missing = [name for name in names() if name not in twins]
    assert not missing, f"no twin in tests/reference for {kind}: {', '.join(missing)}"


@pytest.mark.parametrize("kind", LISTS)
def test_every_promised_name_is_listed_once(kind):
    names, twins = LISTS[kind]
    assert sorted(names()) == sorted(twins)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_defaults_equal_the_reference(name):
    optimizer, reference = getattr(ds, name)(), OPTIMIZERS[name]()
    for field in dataclasses.fields(reference):
        assert getattr(optimizer, field.name) == getattr(reference, field.name), field.name


@pytest.mark.parametrize("name", ds.optimizers())
def test_every_optimizer_is_a_class_of_the_package(name):
    optimizer = getattr(ds, name)()
    assert repr(optimizer).startswith(f"{name}(learning_rate=")
    assert optimizer == getattr(ds, name)()
    assert optimizer != getattr(ds, name)(learning_rate=0.5)
