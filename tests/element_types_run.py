"""Trains on data of every element type and prints digests: ``python element_types_run.py``.

One line a type, dtype and number of threads, with the digest of a training on the data as they
are and of one on the data converted beforehand; test_element_types.py compares them.
"""

import hashlib
import sys

import numpy as np

import descend as ds
from strategies import mlp

KINDS = [
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64"),
]
DTYPES = "float32", "float64"
THREADS = 1, 2, 3, 5
ROWS, INPUTS, OUTPUTS = 1100, 21, 3


def hostile(kind, limit=np.inf):
    """Return numbers of ``kind`` that a conversion may get wrong, none above ``limit``."""
    if kind == "bool":
        return np.array([False, True])
    if kind.startswith("float"):
        info = np.finfo(kind)
        exact = [0.0, -0.0, 1.0, 1 / 3, 65504.0, float(info.tiny), float(info.smallest_subnormal)]
        # Around the steps of float32: ties, the least normal number, what rounds up to it, the
        # largest number, and the last that does not round beyond it.
        steps = [1 + 2.0**-24, 1 + 3 * 2.0**-24, 2.0**-126, 2.0**-126 * (1 - 2.0**-24.5), 1e-40]
        high = [16777217.0, 3.4028234e38, float.fromhex("0x1.fffffefffffffp127"), 1e30]
        values = np.array([*exact, *steps, *high])
        values = np.concatenate([values, -values])
        with np.errstate(over="ignore"):
            values = values[np.isfinite(values.astype(kind))].astype(kind)
        return values[np.abs(values.astype("float64")) <= limit]
    info = np.iinfo(kind)
    # Around the steps of float32 and float64, where a value rounds up, down, or to even.
    middle = [2**24 + 1, 2**24 + 3, 2**31 - 1, 2**40 + 2**16 + 1, 2**53 + 1, 2**63 + 1025]
    signed = [value for absolute in middle for value in (absolute, -absolute)]
    small = [0, 1, 2, 100, int(info.min), int(info.min) + 1, int(info.max) - 1, int(info.max)]
    inside = [value for value in small + signed if info.min <= value <= info.max]
    return np.array(inside, kind)


def strided(values, step=2):
    """Return ``values`` as rows with a distance between them, columns next to each other."""
    rows, columns = values.shape
    wide = np.ones((rows * step, columns + 5), values.dtype)
    view = wide[::step, 3 : 3 + columns]
    view[...] = values
    return view


def data(kind):
    """Return inputs and targets of ``kind``: moderate numbers, and some hostile rows."""
    rng = np.random.default_rng(7)
    low, high = (0, 2) if kind == "bool" else (0, 9)
    X, y = rng.integers(low, high, (ROWS, INPUTS)), rng.integers(low, high, (ROWS, OUTPUTS))
    X, y = X.astype(kind), y.astype(kind)
    if kind.startswith("float"):
        X, y = (rng.normal(size=a.shape).astype(kind) for a in (X, y))
    # Numbers whose sums stay in range, through units that saturate.
    X[::10] = rng.choice(hostile(kind, limit=1e30), X[::10].shape)
    return strided(X), strided(y)


def digest(dtype, X, y, threads):
    """Return a hash of all that a training by minibatches and by the whole set gives."""
    architecture = mlp(X.shape[1], 40, OUTPUTS, dtype=dtype)
    network = architecture.network()
    numbers = []
    for batch_size in (64, None):
        trainer = ds.Trainer(
            network, loss="squared_error", batch_size=batch_size, seed=1, threads=threads
        )
        history = trainer.fit(X, y, validation_data=(X[:300], y[:300]))
        numbers += history.loss + history.validation_loss
    numbers += [trainer.step(X[:50], y[:50])]
    loss, gradient = network.loss_and_gradient(X, y, "squared_error", threads=threads)
    arrays = [part for pair in (*network.parameters(), *gradient) for part in pair]
    hashed = hashlib.sha256(np.array([*numbers, loss]).tobytes())
    for array in (*arrays, network.predict(X, threads=threads)):
        hashed.update(array.tobytes())
    return hashed.hexdigest()[:16]


def main():
    print(ds.build_info()["isa"])
    for kind in KINDS:
        X, y = data(kind)
        for dtype in DTYPES:
            converted = X.astype(dtype), y.astype(dtype)
            for threads in THREADS:
                print(kind, dtype, digest(dtype, X, y, threads), digest(dtype, *converted, threads))
    return 0


if __name__ == "__main__":
    sys.exit(main())
