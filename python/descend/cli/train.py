"""``descend train``: read, split, prepare, train, test, write."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import descend
from descend.cli import results, scaling
from descend.cli.errors import DataError, UsageError
from descend.cli.evaluation import evaluate
from descend.cli.model import Model
from descend.cli.prepared import Prepared, prepare
from descend.cli.words import say
from descend.progress import epoch_lines

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Run the command, saying on standard output what was done."""
    if arguments.patience is not None and not arguments.validation:
        raise UsageError("--patience needs validation rows; give --validation too.")
    data = prepare(
        arguments.data,
        arguments.target,
        loss=arguments.loss,
        task=arguments.task,
        drop=arguments.drop,
        max_levels=arguments.max_levels,
        validation=arguments.validation,
        test=arguments.test,
        seed=arguments.seed,
    )
    trainer = _trainer(data, arguments)
    folders = results.places(arguments.output, arguments.report, data.name)
    _say_plan(data, trainer)

    history = _fit(trainer, data, arguments)
    network = scaling.fold(trainer.network, data.input_scaling, data.target_scaling)
    model = Model(network, data.task, data.preparation, data.target_scaling)
    what, rows = data.split.held_out()
    evaluation = evaluate(model, network.predict(data.inputs[rows]), data.target[rows])

    epochs = f"{len(history.loss)} epochs in {history.seconds:.2f} s"
    say("stopped", f"by {history.stop_reason}, after {epochs}")
    say(what, str(evaluation))
    results.write(folders, model, data, history, evaluation, _settings(trainer, arguments))


def _say_plan(data: Prepared, trainer: descend.Trainer) -> None:
    rows, inputs = data.inputs.shape
    say("data", f"{data.name}: {rows} rows of {inputs} inputs")
    for note in data.notes:
        say("note", note)
    say("target", str(data.task))
    split = data.split
    held_out = f"{len(split.validation)} to validate, {len(split.test)} to test"
    say("split", f"{len(split.train)} rows to train on, {held_out}")
    say("network", architecture(trainer.network))
    say("training", f"{data.task.loss}, {trainer.optimizer}, batches of {trainer.batch_size}")


def architecture(network: descend.Network) -> str:
    """Say the layers of a network in a line."""
    names = [
        f"dropout {layer.rate:g}"
        if isinstance(layer, descend.Dropout)
        else f"{layer.units} {layer.activation}"
        for layer in network.layers
    ]
    chain = " -> ".join([str(network.inputs), *names])
    return f"{chain}; {network.parameter_count:,} parameters"


def _trainer(data: Prepared, arguments: argparse.Namespace) -> descend.Trainer:
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
            optimizer=_optimizer(arguments.optimizer, arguments.learning_rate),
            batch_size=arguments.batch_size,
            seed=arguments.seed,
            threads=arguments.threads,
        )
    except (MemoryError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def _optimizer(name: str, learning_rate: float | None) -> Any:
    by_name = {known.lower(): getattr(descend, known) for known in descend.optimizers()}
    return by_name[name]() if learning_rate is None else by_name[name](learning_rate)


def _fit(
    trainer: descend.Trainer, data: Prepared, arguments: argparse.Namespace
) -> descend.History:
    # A bar redraws its line, which only a terminal can do.
    progress = True if sys.stderr.isatty() else epoch_lines(arguments.epochs)
    split = data.split
    held_out = (data.X[split.validation], data.y[split.validation])
    patience = arguments.patience or 10
    try:
        return trainer.fit(
            data.X[split.train],
            data.y[split.train],
            epochs=arguments.epochs,
            validation_data=held_out if len(split.validation) else None,
            stop=descend.Stop(patience=patience if len(split.validation) else None),
            progress=progress,
        )
    except FloatingPointError as error:
        raise DataError(f"{error} Lower --learning-rate.") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _settings(trainer: descend.Trainer, arguments: argparse.Namespace) -> dict[str, str]:
    """Say how the network was trained, for the report."""
    return {
        "network": architecture(trainer.network),
        "loss": trainer.loss,
        "optimizer": str(trainer.optimizer),
        "batch size": str(trainer.batch_size),
        "epochs at most": str(arguments.epochs),
        "seed": str(arguments.seed),
    }
