"""What Hypothesis draws: architectures, data, optimizers, and hostile array layouts.

Shapes and names are drawn; the numbers come from NumPy generators with drawn seeds, so that a
failing example shrinks to a small network and not to a zero matrix.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

import descend as ds
from reference.activations import ACTIVATIONS
from reference.initializers import INITIALIZERS
from reference.losses import LOSSES
from reference.network import Layer, Network
from reference.optimizers import OPTIMIZERS
from reference.trainer import Trainer

SEEDS = st.integers(0, 2**64 - 1)
DTYPES = st.sampled_from(["float32", "float64"])
# Widths around the kernels' groups (16 floats, 8 doubles) and panels (64, 32).
WIDTHS = st.one_of(
    st.sampled_from([1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65]), st.integers(1, 70)
)
ROWS = st.integers(1, 40)


@dataclass(frozen=True)
class Architecture:
    """A network that can be built in the library and as its reference."""

    inputs: int
    layers: tuple[Layer, ...]
    dtype: str = "float64"
    init: str = "glorot_uniform"
    seed: int = 0
    input_dropout: float = 0.0

    @property
    def outputs(self):
        return self.layers[-1].units

    @property
    def widths(self):
        return [self.inputs, *(layer.units for layer in self.layers)]

    def network(self):
        layers = [ds.Dropout(self.input_dropout)] if self.input_dropout > 0 else []
        for layer in self.layers:
            layers.append(ds.Dense(layer.units, layer.activation))
            if layer.dropout > 0:
                layers.append(ds.Dropout(layer.dropout))
        return ds.Network(
            inputs=self.inputs, layers=layers, init=self.init, seed=self.seed, dtype=self.dtype
        )

    def reference(self, parameters):
        """Return the reference network with the parameters given."""
        return Network(
            self.inputs,
            self.layers,
            parameters,
            dtype=np.dtype(self.dtype).type,
            input_dropout=self.input_dropout,
        )


def mlp(*widths, activation="tanh", dtype="float64", **fields):
    """Return an architecture of the widths given, identity at the end."""
    *hidden, outputs = widths[1:]
    layers = (*(Layer(units, activation) for units in hidden), Layer(outputs))
    return Architecture(widths[0], layers, dtype, **fields)


@st.composite
def architectures(draw, dtypes=DTYPES, dropout=False):
    depth = draw(st.integers(1, 4))
    rate = st.sampled_from([0.0, 0.1, 0.5]) if dropout else st.just(0.0)
    layers = [
        Layer(
            draw(WIDTHS),
            draw(st.sampled_from(sorted(ACTIVATIONS))),
            draw(rate) if index + 1 < depth else 0.0,
        )
        for index in range(depth)
    ]
    return Architecture(
        draw(WIDTHS),
        tuple(layers),
        draw(dtypes),
        # Unit-variance weights saturate a wide network; the other initialisers keep its scale.
        draw(st.sampled_from(sorted(set(INITIALIZERS) - {"standard_normal"}))),
        draw(SEEDS),
        draw(rate),
    )


losses = st.sampled_from(sorted(LOSSES))


def targets(loss, rows, outputs, rng, as_labels=False):
    """Return targets that ``loss`` accepts."""
    if loss == "softmax_cross_entropy":
        return (
            rng.integers(0, outputs, rows) if as_labels else rng.dirichlet(np.ones(outputs), rows)
        )
    if loss == "sigmoid_cross_entropy":
        return rng.random((rows, outputs))
    if loss == "poisson":
        return rng.poisson(1.0, (rows, outputs)).astype(float)
    return rng.normal(size=(rows, outputs))


@dataclass(frozen=True)
class Problem:
    """A network, a loss, and data that fit both."""

    architecture: Architecture
    loss: str
    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None = None

    @property
    def rows(self):
        return len(self.X)

    @property
    def sums(self):
        """The lengths of the sums on the way to a gradient: forward, back, and over the rows."""
        widths = self.architecture.widths
        return [*widths[:-1], *widths[1:], self.rows]

    def __repr__(self):
        return (
            f"Problem({self.architecture}, {self.loss!r}, {self.rows} rows, "
            f"weights={self.sample_weight is not None})"
        )


def problem(architecture, loss, rows, seed=0, *, weights=False, as_labels=False):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(architecture.dtype)
    sample_weight = None
    if weights:
        sample_weight = rng.choice([0.0, 0.5, 1.0, 3.0], rows)
        sample_weight[rng.integers(rows)] = 2.0
    X = rng.normal(size=(rows, architecture.inputs)).astype(dtype)
    y = targets(loss, rows, architecture.outputs, rng, as_labels)
    return Problem(
        architecture, loss, X, y.astype(dtype) if y.dtype.kind == "f" else y, sample_weight
    )


def thinned(X, rng):
    """Return X with zeros in it: none, some, or almost all of each row."""
    density = rng.choice([0.0, 0.05, 0.12, 0.2, 0.4, 0.59, 0.61, 1.0], (len(X), 1))
    return np.where(rng.random(X.shape) < density, X, X.dtype.type(0))


def trainer_pair(case, optimizer, reference_optimizer, **options):
    """Return a trainer of the problem and its reference, of equal parameters."""
    network = case.architecture.network()
    twin = case.architecture.reference(network.parameters())
    return (
        ds.Trainer(network, loss=case.loss, optimizer=optimizer, **options),
        Trainer(twin, case.loss, reference_optimizer, **options),
    )


@st.composite
def problems(draw, dtypes=DTYPES, dropout=False, rows=ROWS):
    return problem(
        draw(architectures(dtypes, dropout)),
        draw(losses),
        draw(rows),
        draw(st.integers(0, 2**32 - 1)),
        weights=draw(st.booleans()),
        as_labels=draw(st.booleans()),
    )


def batch_sizes(rows):
    return st.one_of(st.none(), st.integers(1, rows + 3))


_HYPERPARAMETERS = {
    "learning_rate": st.floats(1e-4, 1e-3),
    "momentum": st.one_of(st.just(0.0), st.floats(0.1, 0.95)),
    "nesterov": st.booleans(),
    "weight_decay": st.one_of(st.just(0.0), st.floats(0.01, 1.0)),
    "rho": st.floats(0.5, 0.99),
    "beta1": st.one_of(st.just(0.0), st.floats(0.5, 0.95)),
    "beta2": st.floats(0.9, 0.9999),
    # A noisy gradient near zero moves a parameter by learning_rate / epsilon times the noise.
    "epsilon": st.floats(1e-6, 1e-2),
    "epsilon_hat": st.booleans(),
}


@st.composite
def optimizers(draw, names=tuple(OPTIMIZERS)):
    """Return an optimizer of the library and its reference, of the same hyperparameters."""
    name = draw(st.sampled_from(names))
    arguments = {
        field: draw(_HYPERPARAMETERS[field]) for field in OPTIMIZERS[name].__dataclass_fields__
    }
    if arguments.get("nesterov") and arguments["momentum"] == 0:
        arguments["momentum"] = 0.9
    return getattr(ds, name)(**arguments), OPTIMIZERS[name](**arguments)


def _strided(a):
    wide = np.zeros((2 * a.shape[0], *(2 * n for n in a.shape[1:])), a.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def _padded_rows(a):
    wide = np.full((a.shape[0], *(n + 5 for n in a.shape[1:])), 7, a.dtype)
    view = wide[tuple(slice(n) for n in a.shape)]
    view[...] = a
    return view


def _unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape) if a.size else a
    view[...] = a
    return view


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


# The same numbers, laid out in memory in every way an array can be.
LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "fortran": np.asfortranarray,
    "strided": _strided,
    "padded rows": _padded_rows,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "all axes reversed": lambda a: np.flip(np.flip(a).copy()),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "little-endian": lambda a: a.astype(a.dtype.newbyteorder("<")),
    "unaligned": _unaligned,
    "read-only": _read_only,
    "list": lambda a: a.tolist(),
}
layouts = st.sampled_from(sorted(LAYOUTS))
