"""How the matrix of an NPZ file becomes the inputs of a network: as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from descend.cli.dataset import Matrix
from descend.cli.errors import DataError
from descend.cli.preparation import Encoded
from descend.cli.table import Table

__all__ = ["MatrixPreparation"]


@dataclass(frozen=True)
class MatrixPreparation:
    """A number of columns, known by their places."""

    width: int

    @property
    def inputs(self) -> list[str]:
        """Names of the network's inputs."""
        return [f"X[:, {place}]" for place in range(self.width)]

    def encode(self, data: Matrix | Table) -> Encoded:
        """Give the inputs of each row."""
        if isinstance(data, Table):
            raise DataError(
                f"{data.source}: the model was trained on the matrix X of an NPZ file, "
                "not on a table; give such a file."
            )
        if data.inputs.shape[1] != self.width:
            raise DataError(
                f"{data.source}: X has {data.inputs.shape[1]} columns, "
                f"but the model takes {self.width}."
            )
        return Encoded(data.inputs, {})

    def notes(self) -> list[str]:
        """Say what the user should know: nothing."""
        return []

    def to_json(self) -> dict[str, Any]:
        """Give what ``MatrixPreparation(**stored)`` takes."""
        return {"width": self.width}
