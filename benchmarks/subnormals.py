"""A training step full of subnormal numbers beside one of ordinary numbers, in one thread.

    python benchmarks/subnormals.py

Many processors take a hundred times as long for an operation on subnormal numbers. descend counts
them as zero while it works, so the ratio should stay below 1.2.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable

import numpy as np

import descend as ds
from report import format_table, publish

SIZES = [784, 128, 64, 10]
BATCH = 64
CALLS = 20
ROUNDS = 40
# By how much inputs and targets are scaled: with 1e-36 products with the weights are subnormal,
# with 1e-40 inputs and all that follows are.
SCALES = [1.0, 1e-36, 1e-40]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()

    steps = [training_step(scale) for scale in SCALES]
    times = [[timeit.timeit(step, number=CALLS) / CALLS for step in steps] for _ in range(ROUNDS)]
    fastest = list(map(min, zip(*times, strict=True)))
    rows = [
        [f"{scale:g}", f"{1e6 * seconds:.1f}", f"{seconds / fastest[0]:.2f}"]
        for scale, seconds in zip(SCALES, fastest, strict=True)
    ]
    table = format_table(["scale of the data", "us a step", "ratio"], rows)
    print(table)
    if arguments.markdown:
        publish("subnormals", table)


def training_step(scale: float) -> Callable[[], float]:
    """Return one step of 784-128-64-10 on data of that scale."""
    rng = np.random.default_rng(0)
    X = (scale * rng.uniform(0.5, 1, (BATCH, SIZES[0]))).astype("float32")
    y = (scale * rng.uniform(0.5, 1, (BATCH, SIZES[-1]))).astype("float32")
    network = ds.Network.mlp(SIZES)
    trainer = ds.Trainer(network, "squared_error", ds.SGD(1e-12), threads=1)
    return lambda: trainer.step(X, y)


if __name__ == "__main__":
    main()
