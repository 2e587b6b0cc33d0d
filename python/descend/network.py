"""Feed-forward networks: the architecture in words, parameters and numerics in the core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from descend import _core, html
from descend.iterables import listed
from descend.layers import Dense, Dropout, Layer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Network"]


class Network(_core.Network):
    """A feed-forward network of dense layers.

    Parameters
    ----------
    inputs : int
        Number of columns of ``X``.
    layers : iterable of Dense or Dropout
        From the first to the last, which is a `Dense` and gives the outputs.
    init : str
        How the weights are drawn, one of ``descend.initializers()``; biases start at 0.
    seed : int
        Key of that draw.
    dtype : {"float32", "float64"}
        Of parameters, arithmetic and outputs.
    parameters : sequence of (weights, bias), optional
        As ``parameters()`` gives them; drawn as ``init`` says by default.

    Raises
    ------
    ValueError, TypeError
        If a layer or setting is not possible, or ``parameters`` are not those of these layers.

    Examples
    --------
    >>> net = Network(4, [Dense(16, "relu"), Dropout(0.1), Dense(3)], seed=0)
    >>> net.parameter_count
    131
    """

    def __init__(
        self,
        inputs: int,
        layers: Iterable[Layer],
        init: str = "glorot_uniform",
        seed: int = 0,
        dtype: str = "float32",
        parameters: Sequence[tuple[ArrayLike, ArrayLike]] | None = None,
    ) -> None:
        dense, input_dropout = _dense_layers(layers)
        super().__init__(inputs, dense, init, seed, dtype, input_dropout, parameters)

    @classmethod
    def mlp(
        cls,
        sizes: Iterable[int],
        activation: str = "relu",
        output_activation: str = "identity",
        init: str = "glorot_uniform",
        seed: int = 0,
        dtype: str = "float32",
        dropout: float = 0.0,
    ) -> Network:
        """Build a multilayer perceptron from the widths of its layers.

        Parameters
        ----------
        sizes : iterable of int
            Inputs, units of each hidden layer, outputs: at least two numbers.
        activation, output_activation : str
            Of the hidden layers and of the last one.
        init, seed, dtype
            As for `Network`.
        dropout : float
            Rate of a `Dropout` behind each hidden layer; 0 for none.

        Returns
        -------
        Network

        Raises
        ------
        ValueError, TypeError
            As for `Network`, and where ``sizes`` are fewer than two.
        """
        sizes = listed("Network.mlp", "sizes", "an iterable of whole numbers", sizes)
        if len(sizes) < 2:
            raise ValueError(
                f"Network.mlp: sizes must hold the inputs and the outputs at least, got {sizes!r}."
            )
        inputs, *hidden, outputs = sizes
        layers: list[Layer] = []
        for units in hidden:
            layers += [Dense(units, activation), Dropout(dropout)]
        return cls(inputs, [*layers, Dense(outputs, output_activation)], init, seed, dtype)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a network, its architecture included, from a file that ``save`` wrote.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is cut, damaged, or does not hold a network of descend.
        """
        network = cls.__new__(cls)
        _core.Network.__init__(network, _core.Network._load(path))
        return network

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, first to last, as `Dense` and `Dropout` values."""
        layers: list[Layer] = []
        if self.input_dropout > 0:
            layers.append(Dropout(self.input_dropout))
        for units, activation, dropout in self._layers:
            layers.append(Dense(units, activation))
            if dropout > 0:
                layers.append(Dropout(dropout))
        return tuple(layers)

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print the layers, the shapes of their outputs and their parameter counts.

        Parameters
        ----------
        print_fn : callable
            Given each line; ``print`` by default.
        """
        rows = self._summary_rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for name, output, count in rows:
            line = f"{name:<{widths[0]}}  {output:<{widths[1]}}  {count:>{widths[2]}}"
            print_fn(line.rstrip())

    def _summary_rows(self) -> list[tuple[str, str, str]]:
        rows = [("layer", "output", "parameters"), ("inputs", f"(rows, {self.inputs})", "")]
        inputs = self.inputs
        for layer in self.layers:
            if isinstance(layer, Dense):
                count = f"{(inputs + 1) * layer.units:,}"
                inputs = layer.units
                rows.append((f"Dense {layer.activation}", f"(rows, {inputs})", count))
            else:
                rows.append((f"Dropout {layer.rate:g}", f"(rows, {inputs})", ""))
        rows.append(("total", self.dtype, f"{self.parameter_count:,}"))
        return rows

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return (
            f"Network(inputs={self.inputs}, layers=[{layers}], init={self.init!r}, "
            f"seed={self.seed}, dtype={self.dtype!r})"
        )

    def _repr_html_(self) -> str:
        header, *rows = self._summary_rows()
        return html.table(f"Network, init={self.init!r}, seed={self.seed}", header, rows)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "spec": (self.inputs, self.layers, self.init, self.seed, self.dtype),
            "parameters": self.parameters(),
            "attributes": self.__dict__,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        inputs, layers, init, seed, dtype = state["spec"]
        Network.__init__(self, inputs, layers, init, seed, dtype, state["parameters"])
        self.__dict__.update(state["attributes"])


def _dense_layers(layers: Iterable[Layer]) -> tuple[list[tuple[int, str, float]], float]:
    """Join each Dropout to the Dense before it; a first one is the dropout of the inputs."""
    layers = listed("Network", "layers", "an iterable of Dense and Dropout", layers)
    dense: list[tuple[int, str, float]] = []
    input_dropout = 0.0
    for place, layer in enumerate(layers):
        if isinstance(layer, Dense):
            dense.append((layer.units, layer.activation, 0.0))
        elif not isinstance(layer, Dropout):
            raise TypeError(
                f"Network: layers[{place}] must be a descend.Dense or descend.Dropout, "
                f"got {layer!r}."
            )
        elif place > 0 and isinstance(layers[place - 1], Dropout):
            raise ValueError(
                f"Network: layers[{place}] is a Dropout behind a Dropout; join them into one."
            )
        elif place > 0 and place == len(layers) - 1:
            raise ValueError(
                "Network: the last layer is a Dropout, which would drop outputs; end with a Dense."
            )
        elif place == 0:
            input_dropout = layer.rate
        else:
            units, activation, _ = dense[-1]
            dense[-1] = (units, activation, layer.rate)
    return dense, input_dropout
