"""Learning rates that change from step to step, for an optimizer's ``learning_rate``.

>>> import descend as ds
>>> optimizer = ds.Adam(learning_rate=ds.schedules.cosine(1e-2, steps=1000))

In the formulas t counts the optimizer's steps from 1, over the trainer's life; k = t - 1 are those
done before, and p = min(k / steps, 1). A schedule that is to count epochs goes through
`per_epoch`; one that is to begin gently through `warm_up`. A callable of t works wherever a
schedule does. It must be a pure function of t: it is called on the thread that trains, in the order
of the steps but up to a thousand of them ahead, so that a run that ends early may have asked for
more. What it raises ends the run before that step.
"""

from __future__ import annotations

from collections.abc import Callable

from descend._core import LearningRate, schedule_names

__all__ = [
    "constant",
    "cosine",
    "exponential",
    "inverse_scaling",
    "linear",
    "names",
    "one_cycle",
    "per_epoch",
    "step",
    "warm_up",
]

Rate = float | LearningRate | Callable[[int], float]


def names() -> list[str]:
    """List the kinds of schedules."""
    return schedule_names()


def constant(rate: float) -> LearningRate:
    """Give the same rate at every step, as the number alone does; for `warm_up`."""
    return LearningRate("constant", {"rate": rate})


def step(initial: float, steps: int, factor: float = 0.1) -> LearningRate:
    """Multiply the rate by ``factor`` every ``steps`` steps.

    ``initial * factor ** (k // steps)``, which is ``StepLR`` of PyTorch stepped with the
    optimizer, and ``optax.exponential_decay`` with ``staircase=True``.
    """
    return LearningRate("step", {"initial": initial, "steps": steps, "factor": factor})


def exponential(initial: float, steps: int, factor: float = 0.1) -> LearningRate:
    """Multiply the rate by ``factor`` over ``steps`` steps, a little at each.

    ``initial * factor ** (k / steps)``, which is ``ExponentialDecay`` of Keras,
    ``optax.exponential_decay`` and, with ``steps=1``, ``ExponentialLR`` of PyTorch.
    """
    return LearningRate("exponential", {"initial": initial, "steps": steps, "factor": factor})


def cosine(initial: float, steps: int, final: float = 0.0) -> LearningRate:
    """Fall on half a cosine from ``initial`` to ``final``, and stay there.

    ``final + (initial - final) * (1 + cos(pi * p)) / 2``: Loshchilov & Hutter (2017), without
    restarts; ``CosineDecay`` of Keras and ``optax.cosine_decay_schedule`` with ``alpha = final /
    initial``, and ``CosineAnnealingLR`` of PyTorch up to its end.
    """
    return LearningRate("cosine", {"initial": initial, "steps": steps, "final": final})


def linear(initial: float, steps: int, final: float = 0.0) -> LearningRate:
    """Go in a straight line from ``initial`` to ``final``, and stay there.

    ``initial + (final - initial) * p``, which is ``optax.linear_schedule``, ``PolynomialDecay`` of
    Keras with power 1 and ``LinearLR`` of PyTorch with ``end_factor = final / initial``.
    """
    return LearningRate("linear", {"initial": initial, "steps": steps, "final": final})


def inverse_scaling(initial: float, power: float = 0.5) -> LearningRate:
    """Divide the rate by a power of the step.

    ``initial / t ** power``, the ``"invscaling"`` of scikit-learn's ``SGDRegressor``, whose steps
    are of one row; its multilayer perceptrons count rows, and change the rate after each epoch.
    """
    return LearningRate("inverse_scaling", {"initial": initial, "power": power})


def one_cycle(
    peak: float,
    steps: int,
    *,
    rise: float = 0.3,
    start_divisor: float = 25.0,
    final_divisor: float = 1e4,
) -> LearningRate:
    """Rise to ``peak`` and fall far below the start, each on half a cosine: Smith (2018).

    From ``peak / start_divisor`` at the first step to ``peak`` at ``k = rise * steps - 1``, then to
    ``peak / start_divisor / final_divisor`` at the last one, ``k = steps - 1``, where it stays.
    This is ``OneCycleLR`` of PyTorch with ``cycle_momentum=False``: the momentum is left as it is.
    """
    return LearningRate(
        "one_cycle",
        {
            "peak": peak,
            "steps": steps,
            "rise": rise,
            "start_divisor": start_divisor,
            "final_divisor": final_divisor,
        },
    )


def warm_up(schedule: Rate, steps: int, start: float = 0.0) -> LearningRate:
    """Begin with ``steps`` steps that lead in a straight line to the schedule's first rate.

    ``schedule(1) * (start + (1 - start) * t / steps)`` while ``t <= steps``, which ends at
    ``schedule(1)``; from there on ``schedule(t - steps)``. Goyal et al. (2017).

    Parameters
    ----------
    schedule : float, LearningRate or callable
        What comes behind the warm-up. A callable is asked for its first rate during it.
    steps : int
        At least 1; epochs, where the schedule counts them.
    start : float
        The fraction of the schedule's first rate from which the line begins, in [0, 1).

    Raises
    ------
    ValueError
        If the schedule has a warm-up already.
    """
    learning_rate = _learning_rate("schedules.warm_up", schedule)
    if "warm_up_steps" in learning_rate.parameters:
        raise ValueError(f"schedules.warm_up: {learning_rate!r} has a warm-up already.")
    parameters = {"warm_up_steps": steps, "warm_up_start": start}
    return LearningRate(learning_rate.kind, learning_rate.parameters | parameters)


def per_epoch(schedule: Rate) -> LearningRate:
    """Let a schedule or a callable count epochs in place of steps.

    It gives the rate of all steps of an epoch, from the number of the epoch over the trainer's
    life, from 1 as in `EpochReport`: ``per_epoch(lambda epoch: 0.1 / epoch)``. A step outside of an
    epoch, ``Trainer.step``, belongs to the epoch begun last.
    """
    learning_rate = _learning_rate("schedules.per_epoch", schedule)
    return LearningRate(learning_rate.kind, learning_rate.parameters | {"per_epoch": True})


def _learning_rate(where: str, schedule: Rate) -> LearningRate:
    if isinstance(schedule, LearningRate):
        return schedule
    if callable(schedule):
        return LearningRate("function", {"function": schedule})
    if not hasattr(schedule, "__float__"):
        raise TypeError(
            f"{where}: schedule must be a number, a schedule of descend.schedules or a callable "
            f"of the step, got {schedule!r}."
        )
    return constant(schedule)
