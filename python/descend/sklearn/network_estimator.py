"""An estimator's parameters, and the network of the core that computes with them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

import descend as ds
from descend.sklearn.current_network import CurrentNetwork
from descend.sklearn.rows import Array, core_rows
from descend.sklearn.rules import Rules


class NetworkEstimator(Rules):
    """An estimator whose parameters live in ``coefs_`` and ``intercepts_``.

    They may be changed between calls; a network of the core takes them over for each call.
    """

    def _initialize(self, layer_units: list[int], dtype: Any) -> None:
        """Draw initial parameters."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(layer_units)
        self.out_activation_ = self._out_activation()
        self._current_network = CurrentNetwork()
        self.coefs_: list[Array] = []
        self.intercepts_: list[Array] = []
        activations = self._activations(len(layer_units) - 2) or [_core_name(self.activation)]
        # The last layer is drawn as the one below it.
        for (inputs, units), activation in zip(
            pairwise(layer_units), [*activations, activations[-1]], strict=False
        ):
            bound = np.sqrt((2.0 if activation == "sigmoid" else 6.0) / (inputs + units))
            draws = (inputs, units), units
            w, b = (self._random_state.uniform(-bound, bound, shape) for shape in draws)
            self.coefs_.append(w.astype(dtype, copy=False))
            self.intercepts_.append(b.astype(dtype, copy=False))
        if self.solver != "lbfgs":
            self._start_records()

    def _activations(self, hidden_layers: int) -> list[str]:
        """Return the core's name of each hidden layer's activation."""
        if isinstance(self.activation, str):
            return [_core_name(self.activation)] * hidden_layers
        names = [_core_name(name) for name in self.activation]
        unknown = sorted({repr(name) for name in names if name not in ds.activations()})
        if unknown:
            raise ValueError(
                f"activation holds {', '.join(unknown)}; known activations: logistic, "
                f"{', '.join(ds.activations())}."
            )
        if len(names) != hidden_layers:
            raise ValueError(
                f"activation holds {len(names)} names for {hidden_layers} hidden layers; give one "
                "for each of hidden_layer_sizes, or a single name for all."
            )
        return names

    def _network(self, dtype: Any = None, dropout: float = 0.0) -> ds.Network:
        """Return a network of the core with the parameters in ``coefs_`` and ``intercepts_``."""
        *hidden, outputs = (len(b) for b in self.intercepts_)
        layers: list[ds.Dense | ds.Dropout] = []
        for units, activation in zip(hidden, self._activations(len(hidden)), strict=True):
            layers += [ds.Dense(units, activation), ds.Dropout(dropout)]
        return ds.Network(
            len(self.coefs_[0]),
            [*layers, ds.Dense(outputs)],
            dtype=str(dtype or self.coefs_[0].dtype),
            parameters=list(zip(self.coefs_, self.intercepts_, strict=True)),
        )

    def _take_parameters(self, parameters: list[tuple[Array, Array]]) -> None:
        dtype = self.coefs_[0].dtype
        self.coefs_ = [w.astype(dtype, copy=False) for w, _ in parameters]
        self.intercepts_ = [b.astype(dtype, copy=False) for _, b in parameters]

    def _raw_outputs(self, X: Any, network: ds.Network) -> Array:
        """Return the network's outputs for checked rows."""
        return network.predict(core_rows(X) if issparse(X) else X, self.threads)

    def _predicted(self, X: Any) -> Array:
        """Check rows, and return the outputs for them."""
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if not hasattr(self, "_current_network"):  # coefs_ were set by hand
            self._current_network = CurrentNetwork()
        network = self._current_network.of(
            [*self.coefs_, *self.intercepts_],
            self._activations(len(self.coefs_) - 1),
            self._network,
        )
        return self._outputs(self._raw_outputs(X, network))


def _core_name(activation: Any) -> Any:
    return "sigmoid" if activation == "logistic" else activation
