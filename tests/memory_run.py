"""Trains within a limit of memory: ``python memory_run.py SCENARIO FILE``.

FILE is an array that NumPy loads or maps, as the scenario says. A first training on a few rows
starts what stays, threads and their heaps; then the process gets room for what a training may
take beside its data, and no more.
"""

import resource
import sys
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

import descend as ds
from sparse_rows import Csr


@dataclass(frozen=True)
class Scenario:
    """A training; ``dtype`` and ``rows`` are of the data."""

    dtype: str
    rows: int
    mapped: bool
    widths: tuple[int, ...] = (784, 8, 1)
    batch_size: int | None = 64
    threads: int = 2
    dtype_of_network: str = "float32"
    stored: int = 0  # numbers of a sparse row; 0: rows are dense


SCENARIOS = {
    "mapped uint8": Scenario("uint8", 500_000, mapped=True),
    "mapped uint8 on one thread": Scenario("uint8", 500_000, mapped=True, threads=1),
    "mapped float16": Scenario("float16", 250_000, mapped=True),
    "mapped float32": Scenario("float32", 125_000, mapped=True, dtype_of_network="float64"),
    "mapped float64": Scenario("float64", 62_500, mapped=True),
    "uint8 in memory": Scenario("uint8", 100_000, mapped=False),
    "float16 in memory": Scenario("float16", 50_000, mapped=False),
    "float64 in memory": Scenario("float64", 25_000, mapped=False),
    "sparse float32": Scenario("float32", 20_000, False, (20_000, 8, 1), stored=100),
    "fuller sparse float32": Scenario("float32", 2000, False, (20_000, 16, 1), stored=2500),
    "sparse uint8": Scenario("uint8", 20_000, False, (20_000, 8, 1), None, stored=100),
    # Every vector of the parameters' size: two moments, the gradient over blocks, the best so far.
    "many parameters": Scenario("int16", 2000, True, (4000, 1500, 1), None),
}

# Of each row: its place in the epoch's order, its prediction.
BYTES_A_ROW = 8 + 8
# What the interpreter, NumPy and the allocator take meanwhile.
ROOM = 5 << 20
# Rows of a larger batch go through the network in blocks, those of a validation in smaller ones,
# between two buffers a thread.
BLOCK_ROWS = 1024
VALIDATED_ROWS = 96


def numbers(scenario):
    """Return how many numbers of a row there are in the file."""
    return scenario.stored or scenario.widths[0]


def sparse(values, columns):
    """Return a sparse matrix with these values of each row, spread over its columns."""
    rows, stored = values.shape
    indices = np.tile(np.arange(stored, dtype="int32") * (columns // stored), (rows, 1))
    indices += np.arange(rows, dtype="int32")[:, None] % (columns // stored)
    indptr = np.arange(rows + 1, dtype="int32") * stored
    return Csr(values.ravel(), indices.ravel(), indptr, (rows, columns))


def copy_bytes(scenario):
    """Return the bytes of a copy of the data in the network's dtype."""
    return scenario.rows * scenario.widths[0] * np.dtype(scenario.dtype_of_network).itemsize


def bound(scenario):
    """Return the bytes that training may take: data + 5 x parameters + activations of a batch."""
    widths = scenario.widths
    parameters = sum((a + 1) * b for a, b in pairwise(widths))
    batch_rows = scenario.batch_size or min(scenario.rows, BLOCK_ROWS)
    # Inputs, targets, and of each layer a and d_z, their rows padded to whole cache lines.
    columns = widths[0] + widths[-1] + 2 * sum(widths[1:]) + 32 * 2 * len(widths)
    activations = batch_rows * columns + 2 * VALIDATED_ROWS * scenario.threads * max(widths)
    # Which inputs are not 0, by rows and by columns: a bit each.
    bits = 2 * batch_rows * widths[0]
    size = np.dtype(scenario.dtype_of_network).itemsize
    if 0 < scenario.stored <= 0.05 * widths[0]:
        # Their numbers and places instead, by rows and by columns: inputs stand nowhere densely.
        listed = 2 * batch_rows * (scenario.stored + 2) + widths[0]
        activations = (batch_rows + VALIDATED_ROWS * scenario.threads) * (columns - widths[0])
        bits = 8 * (4 + size) * listed
    return bits // 8 + size * (5 * parameters + activations) + BYTES_A_ROW * scenario.rows + ROOM


def status(field):
    """Return a size in /proc/self/status, in bytes."""
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def train(scenario, X, y, widths):
    network = ds.Network.mlp(widths, activation="tanh", seed=1, dtype=scenario.dtype_of_network)
    trainer = ds.Trainer(
        network,
        loss="squared_error",
        batch_size=scenario.batch_size,
        threads=scenario.threads,
    )
    trainer.fit(X, y, validation_data=(X, y), stop=ds.Stop(patience=3))
    trainer.run_epoch(X, y, order=range(0, X.shape[0], 50))
    trainer.step(X[:50], y[:50])
    network.predict(X, threads=scenario.threads)


def main():
    scenario = SCENARIOS[sys.argv[1]]
    X = np.load(sys.argv[2], mmap_mode="r" if scenario.mapped else None)
    assert (X.dtype, X.shape) == (scenario.dtype, (scenario.rows, numbers(scenario)))
    y = X[:, 5:6]
    if scenario.stored:
        X = sparse(X, scenario.widths[0])
    train(scenario, X[:200], y[:200], (scenario.widths[0], 2, 1))

    # Address space also counts what is only reserved, so that nothing slips through.
    allowed = bound(scenario)
    limit = status("VmSize") + allowed
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    train(scenario, X, y, scenario.widths)
    try:
        np.empty(2 * allowed, "uint8")
    except MemoryError:
        return 0
    return "the limit does not hold"


if __name__ == "__main__":
    sys.exit(main())
