"""Objects whose ``__init__`` has not run, or has raised, refuse to work instead of crashing."""

import contextlib

import pytest

import descend as ds


def left_by_a_failed_init(cls, *args):
    """Return the object that a failing constructor leaves behind, as a debugger would see it."""
    instance = cls.__new__(cls)
    with contextlib.suppress(TypeError, ValueError):
        instance.__init__(*args)
        pytest.fail("the constructor should have failed")
    return instance


USES = {
    "Network.predict": lambda: left_by_a_failed_init(ds.Network, 0, []).predict([[1.0]]),
    "Network.layers": lambda: ds.Network.__new__(ds.Network).layers,
    "Network.parameter_count": lambda: ds.Network.__new__(ds.Network).parameter_count,
    "repr of a Network": lambda: repr(left_by_a_failed_init(ds.Network, 0, [ds.Dense(2)])),
    "Trainer of such a Network": lambda: ds.Trainer(
        ds.Network.__new__(ds.Network), loss="squared_error"
    ),
    "Trainer.steps": lambda: left_by_a_failed_init(ds.Trainer, ds.Network.mlp([1, 1]), "no").steps,
    "Trainer.step": lambda: ds.Trainer.__new__(ds.Trainer).step([[1.0]], [1.0]),
    "Adam.learning_rate": lambda: ds.Adam.__new__(ds.Adam).learning_rate,
    "repr of an Adam": lambda: repr(left_by_a_failed_init(ds.Adam, -1.0)),
    "GradientNoise.variance": lambda: ds.GradientNoise.__new__(ds.GradientNoise).variance,
    "repr of a GradientNoise": lambda: repr(ds.GradientNoise.__new__(ds.GradientNoise)),
    "NoiseEstimate.noise_scale": lambda: ds.NoiseEstimate.__new__(ds.NoiseEstimate).noise_scale,
    "OptimizerState.step": lambda: ds.OptimizerState.__new__(ds.OptimizerState).step,
}


@pytest.mark.parametrize("use", USES)
def test_an_uninitialised_object_says_so(use):
    with pytest.raises(RuntimeError, match="not initialised"):
        USES[use]()
