"""Classes and labels as a network's targets, and its outputs as classes and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_expit, softmax
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import unique_labels

from descend.sklearn.base import BaseMLP
from descend.sklearn.objective import Objective
from descend.sklearn.rows import Array


class ClassLabels(BaseMLP):
    """A network of one output a class, or one for two classes, or one for each label of a row."""

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = self._checked(X, y, reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, self._encoded(y)

    def _encoded(self, y: Array) -> Array:
        """Return places in ``classes_`` where there are several, else a column for each output."""
        if self._is_multiclass():
            return np.searchsorted(self.classes_, y)
        encoded: Array = self._label_binarizer.transform(y).astype(bool)
        return encoded

    def _check_classes(self, classes: Array) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )

    def _validate_eval_set(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = self._checked(X, y, reset=False)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        expected = (len(y), self.n_outputs_) if self._is_multilabel() else (len(y),)
        if y.shape != expected:
            raise ValueError(
                f"eval_set: y has shape {y.shape}, but the classes of fit ask for {expected}."
            )
        if not self._is_multilabel() and not set(y) <= set(self.classes_):
            raise ValueError(
                f"eval_set: y has classes {sorted(set(y) - set(self.classes_))!r}, which fit has "
                "not seen; leave their rows out."
            )
        return X, self._encoded(y)

    def _is_multiclass(self) -> bool:
        """Whether a row is of one class of more than two: y is then of places in ``classes_``."""
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _is_multilabel(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multilabel-indicator")

    def _outputs_for(self, y: Array) -> int:
        return len(self.classes_) if self._is_multiclass() else y.shape[1]

    def _out_activation(self) -> str:
        return "softmax" if self._is_multiclass() and self.loss == "log_loss" else "logistic"

    def _objective(self) -> Objective:
        softmax = self.out_activation_ == "softmax"
        return Objective(
            "softmax_cross_entropy" if softmax else "sigmoid_cross_entropy", self.n_outputs_
        )

    def _targets(self, y: Array, dtype: str) -> Array:
        if self.out_activation_ == "softmax":
            return y.ravel()
        return (y == np.arange(self.n_outputs_) if self._is_multiclass() else y).astype(dtype)

    def _outputs(self, z: Array) -> Array:
        if not self._is_multiclass():
            logistic: Array = expit(z)
            return logistic
        # Logistic outputs divided by their sum, which may underflow, are the softmax of their logs.
        shares: Array = softmax(z if self.out_activation_ == "softmax" else log_expit(z), axis=1)
        return shares

    def _for_metrics(self, z: Array, targets: Array) -> tuple[Array, Array, str]:
        if self._is_multiclass() and self.out_activation_ == "logistic":
            # One decision a row, by the probabilities that are predicted.
            return log_expit(z), targets.argmax(axis=1), "softmax_cross_entropy"
        return super()._for_metrics(z, targets)

    def _labels(self, outputs: Array) -> Array:
        if self._is_multiclass():
            classes: Array = self.classes_.take(outputs.argmax(axis=1))
            return classes
        outputs = outputs.ravel() if self.n_outputs_ == 1 else outputs
        labels: Array = self._label_binarizer.inverse_transform(outputs)
        return labels

    def _validation_targets(self, y: Array) -> Array:
        targets: Array = (
            self.classes_.take(y.ravel())
            if self._is_multiclass()
            else self._label_binarizer.inverse_transform(y)
        )
        return targets

    def _score_rows(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        correct = self._labels(outputs) == y
        if correct.ndim == 2:  # every label of the row
            correct = correct.all(axis=1)
        return float(np.average(correct, weights=sample_weight))
