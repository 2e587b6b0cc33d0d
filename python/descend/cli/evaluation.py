"""How good a model's outputs are: one loss, a few metrics, and for classes the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import descend
from descend.cli.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASS_METRICS", "NUMBER_METRICS", "ClassScore", "Evaluation", "TargetScore", "evaluate"]

CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1", "roc_auc")
_MEAN = "squared_error"  # the loss of outputs that are the mean itself
NUMBER_METRICS = ("mean_absolute_error", "root_mean_squared_error", "r2")


@dataclass(frozen=True)
class ClassScore:
    """Precision and recall of one class, NaN where none was predicted or none is there."""

    name: str
    precision: float
    recall: float
    rows: int


@dataclass(frozen=True)
class TargetScore:
    """The metrics of one of several targets, in the order of `NUMBER_METRICS`."""

    name: str
    metrics: tuple[float, ...]


@dataclass(frozen=True)
class Evaluation:
    """The figures of some rows: ``metrics`` by name, ``loss`` among them.

    ``targets`` (rows,) or (rows, targets) and ``answers`` of the same shape are class indices or
    numbers. ``confusion`` counts (true class, predicted class), and is empty for numbers; ``names``
    are those of the classes, or of the targets.
    """

    rows: int
    metrics: dict[str, float]
    targets: NDArray[Any]
    answers: NDArray[Any]
    confusion: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, none for numbers."""
        return self.names if self.confusion.size else ()

    def class_scores(self) -> list[ClassScore]:
        """Give precision and recall of each class."""
        right = np.diag(self.confusion)
        with np.errstate(invalid="ignore"):
            precision = right / self.confusion.sum(axis=0)
            recall = right / self.confusion.sum(axis=1)
        rows = self.confusion.sum(axis=1)
        return [
            ClassScore(name, float(p), float(r), int(n))
            for name, p, r, n in zip(self.classes, precision, recall, rows, strict=True)
        ]

    def target_scores(self) -> list[TargetScore]:
        """Give the metrics of each of several targets, whose units may differ."""
        if self.classes or len(self.names) == 1:
            return []
        return [
            TargetScore(
                name,
                tuple(
                    descend.metric(
                        metric, self.answers[:, [place]], self.targets[:, [place]], loss=_MEAN
                    )
                    for metric in NUMBER_METRICS
                ),
            )
            for place, name in enumerate(self.names)
        ]

    def __str__(self) -> str:
        if self.classes:
            right = int(np.trace(self.confusion))
            return f"accuracy {self.metrics['accuracy']:.4f} ({right} of {self.rows})"
        r_squared = self.metrics["r2"]
        said = f", R^2 {r_squared:.4f}" if np.isfinite(r_squared) else ""
        return f"root mean squared error {self.metrics['root_mean_squared_error']:.6g}{said}"


def evaluate(model: Model, outputs: NDArray[Any], target: NDArray[Any]) -> Evaluation:
    """Compare (rows, outputs) of the model with class indices or numbers in the data's units."""
    task = model.task
    names = CLASS_METRICS if task.classes else NUMBER_METRICS
    metrics = {"loss": _loss(model, outputs, target)}
    for name in names:
        metrics[name] = descend.metric(name, outputs, target, loss=task.loss)
    if not task.classes:
        answers = model.answers(outputs).reshape(target.shape)
        return Evaluation(
            len(target), metrics, target, answers, np.zeros((0, 0), np.int64), task.targets
        )
    answers = outputs.argmax(axis=1)
    confusion = np.zeros((len(task.classes),) * 2, np.int64)
    np.add.at(confusion, (target, answers), 1)
    return Evaluation(len(target), metrics, target, answers, confusion, task.classes)


def _loss(model: Model, outputs: NDArray[Any], target: NDArray[Any]) -> float:
    """Give the loss that was trained on, that of the standardised target."""
    if model.target_scaling:
        outputs = model.target_scaling.apply(outputs)
        target = model.target_scaling.apply(target.reshape(outputs.shape))
    loss, _ = descend.ops.loss(model.task.loss, outputs, target)
    return float(loss)
