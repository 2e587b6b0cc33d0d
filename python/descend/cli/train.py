"""``descend train``: read, split, standardise, train, test, write."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import descend
from descend.cli import dataset, scaling, score, task
from descend.cli.errors import DataError, UsageError
from descend.progress import epoch_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> None:
    """Run the command, saying on standard output what was done."""
    data = dataset.read(arguments.data, arguments.target)
    try:
        learnt = task.understand(data.target, arguments.loss)
        trainer = _trainer(data.inputs.shape[1], learnt, arguments)
        split = _split(len(learnt.targets), arguments)
        inputs = scaling.measure(data.inputs[split.train], one_unit=data.one_unit)
        target = None if learnt.classes else scaling.measure(learnt.targets[split.train])
    except DataError as error:
        raise DataError(f"{arguments.data}: {error}") from error
    folder: Path = arguments.output or Path(f"{data.name}-model")
    folder.mkdir(parents=True, exist_ok=True)

    rows, columns = data.inputs.shape
    _say("data", f"{data.name}: {rows} rows of {columns} inputs")
    _say("target", str(learnt))
    held_out = f"{len(split.validation)} to validate, {len(split.test)} to test"
    _say("split", f"{len(split.train)} rows to train on, {held_out}")
    _say("network", _architecture(trainer.network))
    _say("training", f"{learnt.loss}, {trainer.optimizer}, batches of {trainer.batch_size}")

    X = inputs.apply(data.inputs)
    y = target.apply(learnt.targets) if target else learnt.targets
    history = _fit(trainer, X, y, split, arguments)
    network = scaling.fold(trainer.network, inputs, target)

    epochs = f"{len(history.loss)} epochs in {history.seconds:.2f} s"
    _say("stopped", f"by {history.stop_reason}, after {epochs}")
    measured = score.accuracy if learnt.classes else score.root_mean_squared_error
    _say("test", measured(network.predict(data.inputs[split.test]), learnt.targets[split.test]))
    _write(folder, network, history, learnt.classes)


def _say(what: str, text: str) -> None:
    print(f"{what:<9} {text}", flush=True)


def _architecture(network: descend.Network) -> str:
    names = [
        f"dropout {layer.rate:g}"
        if isinstance(layer, descend.Dropout)
        else f"{layer.units} {layer.activation}"
        for layer in network.layers
    ]
    chain = " -> ".join([str(network.inputs), *names])
    return f"{chain}; {network.parameter_count:,} parameters"


@dataclass(frozen=True)
class _Split:
    """Row indices of the three parts."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def _split(rows: int, arguments: argparse.Namespace) -> _Split:
    test = max(1, round(rows * arguments.test_fraction))
    validation = max(1, round(rows * arguments.validation_fraction))
    if rows - test - validation < 2:
        raise DataError(
            f"{rows} rows are too few to hold out {validation} for validation and {test} for the "
            "test; give more rows, or lower --validation-fraction and --test-fraction."
        )
    order = np.random.default_rng(arguments.seed).permutation(rows)
    return _Split(order[test + validation :], order[test : test + validation], order[:test])


def _trainer(inputs: int, learnt: task.Task, arguments: argparse.Namespace) -> descend.Trainer:
    try:
        network = descend.Network.mlp(
            [inputs, *arguments.layers, learnt.outputs],
            activation=arguments.activation,
            seed=arguments.seed,
            dropout=arguments.dropout,
        )
        return descend.Trainer(
            network,
            loss=learnt.loss,
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
    trainer: descend.Trainer,
    X: NDArray[np.float64],
    y: NDArray[Any],
    split: _Split,
    arguments: argparse.Namespace,
) -> descend.History:
    # A bar redraws its line, which only a terminal can do.
    progress = True if sys.stderr.isatty() else epoch_lines(arguments.epochs)
    try:
        return trainer.fit(
            X[split.train],
            y[split.train],
            epochs=arguments.epochs,
            validation_data=(X[split.validation], y[split.validation]),
            stop=descend.Stop(patience=arguments.patience),
            progress=progress,
        )
    except FloatingPointError as error:
        raise DataError(f"{error} Lower --learning-rate.") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _write(
    folder: Path, network: descend.Network, history: descend.History, classes: list[str] | None
) -> None:
    model = folder / "model.safetensors"
    network.save(model)
    _say("wrote", f"{model}: the network, which takes the inputs as they are in the data")
    if classes and classes != [str(output) for output in range(len(classes))]:
        names = folder / "classes.json"
        names.write_text(json.dumps(classes, ensure_ascii=False) + "\n", encoding="utf-8")
        _say("wrote", f"{names}: the class of each output")
    curves = folder / "learning_curves.png"
    try:
        history.plot(curves)
    except ImportError:
        _say("no plot", 'matplotlib is not installed; pip install "descend[plot]"')
    else:
        _say("wrote", f"{curves}: loss by epoch")
    _say("use it", f"descend.Network.load({str(model)!r}).predict(X)")
