"""The trainer that the arguments of ``descend train`` ask for."""

from __future__ import annotations

import argparse
from typing import Any

import descend
from descend import LearningRate, schedules
from descend.cli.errors import UsageError
from descend.cli.prepared import Prepared

__all__ = ["SCHEDULES", "build"]

SCHEDULES = ("none", *(name for name in schedules.names() if name != "constant"))


def build(data: Prepared, arguments: argparse.Namespace) -> descend.Trainer:
    """Make network, optimizer and trainer; UsageError says which argument is wrong."""
    if arguments.class_weight != "none" and not data.task.classes:
        raise UsageError("--class-weight is for classes; the target holds numbers.")
    try:
        network = descend.Network.mlp(
            [len(data.preparation.inputs), *arguments.layers, data.task.outputs],
            activation=arguments.activation,
            seed=arguments.seed,
            dropout=arguments.dropout,
        )
        return descend.Trainer(
            network,
            loss=data.task.loss,
            optimizer=_optimizer(arguments, len(data.split.train)),
            batch_size=arguments.batch_size,
            seed=arguments.seed,
            threads=arguments.threads,
            device=arguments.device,
            l2=arguments.l2,
            clip_norm=arguments.clip_norm,
            class_weight=None if arguments.class_weight == "none" else arguments.class_weight,
            label_smoothing=arguments.label_smoothing,
        )
    except (MemoryError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def _optimizer(arguments: argparse.Namespace, rows: int) -> Any:
    by_name = {known.lower(): getattr(descend, known) for known in descend.optimizers()}
    kind = by_name[arguments.optimizer]
    rate = arguments.learning_rate
    optimizer = kind() if rate is None else kind(rate)
    if arguments.schedule == "none" and not arguments.warm_up:
        return optimizer
    return kind(_schedule(arguments, float(optimizer.learning_rate), rows))


def _schedule(arguments: argparse.Namespace, rate: float, rows: int) -> LearningRate:
    """Let the schedule end with the last epoch, the warm-up being part of the run."""
    an_epoch = -(-rows // arguments.batch_size)
    steps = arguments.epochs * an_epoch - arguments.warm_up
    if steps < 1:
        raise UsageError(
            f"--warm-up {arguments.warm_up}: the run has {steps + arguments.warm_up} steps, "
            f"{an_epoch} an epoch; give fewer, or more --epochs."
        )
    third = max(1, steps // 3)
    made = {
        "none": lambda: schedules.constant(rate),
        "step": lambda: schedules.step(rate, steps=third),
        "exponential": lambda: schedules.exponential(rate, steps=third),
        "cosine": lambda: schedules.cosine(rate, steps=steps),
        "linear": lambda: schedules.linear(rate, steps=steps),
        "inverse_scaling": lambda: schedules.inverse_scaling(rate),
        "one_cycle": lambda: schedules.one_cycle(rate, steps=steps),
    }[arguments.schedule]()
    return schedules.warm_up(made, arguments.warm_up) if arguments.warm_up else made
