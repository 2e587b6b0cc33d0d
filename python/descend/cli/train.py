"""``descend train``: read, split, prepare, train, test, write."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

import descend
from descend.cli import results, scaling, trainers
from descend.cli.checkpoint import Checkpoint, Saver
from descend.cli.errors import DataError, UsageError
from descend.cli.evaluation import evaluate
from descend.cli.model import Model
from descend.cli.prepared import Prepared, prepare
from descend.cli.words import say
from descend.progress import epoch_lines

__all__ = ["read", "run", "train"]


def run(arguments: argparse.Namespace) -> None:
    """Run ``descend train``, saying on standard output what was done."""
    if arguments.patience is not None and not arguments.validation:
        raise UsageError("--patience needs validation rows; give --validation too.")
    data = read(arguments)
    trainer = trainers.build(data, arguments)
    where = results.places(arguments.output, arguments.report, data.name)
    saved = None
    if arguments.checkpoint:
        command = tuple(arguments.command_line)
        saved = Checkpoint(arguments.checkpoint, command, os.getcwd(), data.checksum())
        saved.save(trainer)
    train(trainer, data, arguments, where, saved)


def read(arguments: argparse.Namespace) -> Prepared:
    """Read and prepare the data that the arguments name."""
    return prepare(
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


def train(
    trainer: descend.Trainer,
    data: Prepared,
    arguments: argparse.Namespace,
    where: results.Places,
    saved: Checkpoint | None,
) -> None:
    """Train to the end, saving on the way, and write the results."""
    _say_plan(data, trainer)
    history = _fit(trainer, data, arguments, saved)
    network = scaling.fold(trainer.network, data.input_scaling, data.target_scaling)
    model = Model(network, data.task, data.preparation, data.target_scaling)
    what, rows = data.split.held_out()
    evaluation = evaluate(model, network.predict(data.inputs[rows]), data.target[rows])

    say("stopped", f"{_end(history)} in {history.seconds:.2f} s{_kept(history)}")
    say(what, str(evaluation))
    results.write(where, model, data, history, evaluation, _settings(trainer, history, arguments))


def _say_plan(data: Prepared, trainer: descend.Trainer) -> None:
    rows, inputs = data.inputs.shape
    say("data", f"{data.name}: {rows} rows of {inputs} inputs")
    for note in data.notes:
        say("note", note)
    say("target", str(data.task))
    split = data.split
    held_out = f"{len(split.validation)} to validate, {len(split.test)} to test"
    say("split", f"{len(split.train)} rows to train on, {held_out}")
    say("network", _architecture(trainer.network))
    say("training", f"{data.task.loss}, {trainer.optimizer}, batches of {trainer.batch_size}")


def _end(history: descend.History) -> str:
    epochs = len(history.loss)
    return f"by {history.stop_reason}, after {epochs} epoch{'' if epochs == 1 else 's'}"


def _kept(history: descend.History) -> str:
    """Say which epoch's parameters patience has put back."""
    losses = history.validation_loss
    return f"; epoch {losses.index(min(losses)) + 1} is kept" if losses else ""


def _architecture(network: descend.Network) -> str:
    names = [
        f"dropout {layer.rate:g}"
        if isinstance(layer, descend.Dropout)
        else f"{layer.units} {layer.activation}"
        for layer in network.layers
    ]
    chain = " -> ".join([str(network.inputs), *names])
    return f"{chain}; {network.parameter_count:,} parameters"


def _fit(
    trainer: descend.Trainer,
    data: Prepared,
    arguments: argparse.Namespace,
    saved: Checkpoint | None,
) -> descend.History:
    # A bar redraws its line, which only a terminal can do.
    done = None if trainer.unfinished_run is None else trainer.epoch
    progress = True if sys.stderr.isatty() else epoch_lines(arguments.epochs, done)
    split = data.split
    held_out = (data.X[split.validation], data.y[split.validation])
    patience = arguments.patience or 10
    metrics = arguments.metrics or (["accuracy"] if data.task.classes else None)
    try:
        return trainer.fit(
            data.X[split.train],
            data.y[split.train],
            epochs=arguments.epochs - trainer.epoch,
            validation_data=held_out if len(split.validation) else None,
            stop=descend.Stop(patience=patience if len(split.validation) else None),
            metrics=metrics,
            progress=progress,
            callbacks=[Saver(saved)] if saved else None,
        )
    except KeyboardInterrupt:
        if saved:
            print(
                f"descend: go on with: descend resume {shlex.quote(str(saved.path))}",
                file=sys.stderr,
            )
        raise
    except FloatingPointError as error:
        raise DataError(f"{error} Lower --learning-rate.") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _settings(
    trainer: descend.Trainer, history: descend.History, arguments: argparse.Namespace
) -> dict[str, str]:
    """Say how the network was trained, for the report."""
    return {
        "network": _architecture(trainer.network),
        "loss": trainer.loss,
        "optimizer": str(trainer.optimizer),
        "batch size": str(trainer.batch_size),
        "stopped": f"{_end(history)} of at most {arguments.epochs}{_kept(history)}",
        "seed": str(arguments.seed),
        "command": shlex.join(["descend", *arguments.command_line]),
    }
