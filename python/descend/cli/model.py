"""A trained network together with what turns a file into its inputs and its outputs into answers.

Both stand in one safetensors file, which `descend.Network.load` reads too: the preparation is a
JSON text in its metadata.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.cli import metadata
from descend.cli.dataset import Matrix, given, read
from descend.cli.errors import DataError, reason
from descend.cli.matrix_preparation import MatrixPreparation
from descend.cli.preparation import Encoded, Preparation
from descend.cli.scaling import Scaling
from descend.cli.task import Task
from descend.network import Network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from descend.cli.table import Table

__all__ = ["Model"]

_KEY = "preparation"
_FILE = "model.safetensors"


@dataclass(frozen=True)
class Model:
    """A network in the data's own units, its task, and the preparation of its inputs.

    Examples
    --------
    >>> model = Model.load("iris-model")
    >>> model.predict("new_flowers.csv")
    array(['setosa', 'virginica'], dtype='<U10')
    """

    network: Network
    task: Task
    preparation: Preparation | MatrixPreparation
    target_scaling: Scaling | None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read a model that ``descend train`` wrote, from its file or from the folder of it.

        Raises
        ------
        ValueError
            If the file cannot be read or is not such a model.
        """
        path = Path(path)
        file = path / _FILE if path.is_dir() else path
        if path.is_dir() and not file.exists():
            raise DataError(f"{path}: a folder without {_FILE}, which descend train writes there.")
        try:
            network = Network.load(file)
            text = metadata.read(file, _KEY)
        except OSError as error:
            raise DataError(f"{file}: {reason(error)}.") from error
        except ValueError as error:
            raise DataError(f"{file}: not a model of descend: {error}") from error
        if text is None:
            raise DataError(
                f"{file}: a network alone, without the preparation that descend train stores; "
                "descend.Network.load reads it in Python."
            )
        try:
            model = cls(network, *_from_json(json.loads(text)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file}: its preparation is damaged: {error!r}") from error
        expected = len(model.preparation.inputs), model.task.outputs
        if (network.inputs, network.outputs) != expected:
            raise DataError(
                f"{file}: the network maps {network.inputs} inputs to {network.outputs} outputs, "
                f"but its preparation {expected[0]} to {expected[1]}."
            )
        return model

    def save(self, folder: Path) -> Path:
        """Write ``model.safetensors`` into a folder, at once or not at all."""
        path, unfinished = folder / _FILE, folder / f".{_FILE}.unfinished"
        self.network.save(unfinished)
        metadata.add(unfinished, _KEY, json.dumps(self._to_json(), ensure_ascii=False))
        os.replace(unfinished, path)
        return path

    def outputs(self, data: Matrix | Table) -> tuple[NDArray[np.float64], Encoded]:
        """Give the network's (rows, outputs) for data read, and how they were encoded."""
        encoded = self.preparation.encode(data)
        return self.network.predict(encoded.inputs), encoded

    def answers(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        """Give the class of each row as text, or its numbers (rows, targets)."""
        if self.task.classes:
            return np.asarray(np.array(self.task.classes)[outputs.argmax(axis=1)])
        if self.task.loss == "poisson":
            with np.errstate(over="ignore"):
                return np.asarray(np.exp(outputs))
        return outputs

    def probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the softmax of (rows, classes) outputs."""
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def ignored(self, data: Matrix | Table) -> list[str]:
        """Name the columns of a table that the model does not know."""
        if isinstance(data, Matrix) or isinstance(self.preparation, MatrixPreparation):
            return []
        known = {*self.task.targets, *(column.name for column in self.preparation.columns)}
        return [name for name in data.columns if name not in known]

    def predict(self, data: Any) -> NDArray[Any]:
        """Give the class of each row as text (rows,), or its numbers (rows, targets).

        Parameters
        ----------
        data : path, data frame or array_like of shape (rows, columns)
            The path of a CSV, Parquet or NPZ file; a data frame of pandas, polars or pyarrow with
            the columns of the model, in any order; an array where the model was trained on one.

        Raises
        ------
        ValueError
            If the data cannot be read, or lack a column of the model.
        """
        is_path = isinstance(data, str | os.PathLike)
        return self.answers(self.outputs(read(os.fspath(data)) if is_path else given(data))[0])

    def _to_json(self) -> dict[str, Any]:
        kind = "matrix" if isinstance(self.preparation, MatrixPreparation) else "table"
        scaling = self.target_scaling
        return {
            "version": 1,
            "task": asdict(self.task),
            kind: self.preparation.to_json(),
            "target_mean": scaling and np.atleast_1d(scaling.mean).tolist(),
            "target_gain": scaling and np.atleast_1d(scaling.gain).tolist(),
        }


def _from_json(stored: dict[str, Any]) -> tuple[Task, Any, Scaling | None]:
    if stored["version"] != 1:
        raise ValueError(f"version {stored['version']}, but this descend reads version 1")
    task = stored["task"]
    task = Task(**{**task, "targets": tuple(task["targets"]), "classes": tuple(task["classes"])})
    preparation = (
        MatrixPreparation(**stored["matrix"])
        if "matrix" in stored
        else Preparation.from_json(stored["table"])
    )
    scaling = (
        Scaling(np.array(stored["target_mean"]), np.array(stored["target_gain"]))
        if stored["target_mean"] is not None
        else None
    )
    return task, preparation, scaling
