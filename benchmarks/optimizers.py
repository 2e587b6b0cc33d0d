"""One step of each optimizer on 16 M float32 parameters, descend beside fused PyTorch.

    python benchmarks/optimizers.py

GB/s count the bytes that the formula reads and writes: the gradient once, parameters and state
twice. The triad's figure says what memory gives. Both libraries run in one process, with all
processors, and take turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

import descend as ds
from descend.trainer import Optimizer
from report import format_table, publish
from roofline import measure, processors

COUNT = 1 << 24
ROUNDS = 15

# Optimizer, vectors of state, descend's, PyTorch's.
OPTIMIZERS = [
    ("SGD", 0, ds.SGD(learning_rate=1e-3), (torch.optim.SGD, {"lr": 1e-3})),
    (
        "SGD, momentum",
        1,
        ds.SGD(learning_rate=1e-3, momentum=0.9),
        (torch.optim.SGD, {"lr": 1e-3, "momentum": 0.9}),
    ),
    ("AdaGrad", 1, ds.AdaGrad(), (torch.optim.Adagrad, {})),
    ("Adam", 2, ds.Adam(), (torch.optim.Adam, {})),
    ("AdamW", 2, ds.AdamW(), (torch.optim.AdamW, {})),
]


def descend_step(optimizer: Optimizer) -> Callable[[], object]:
    """Return one update."""
    rng = np.random.default_rng(0)
    theta, gradient = (rng.standard_normal(COUNT, dtype=np.float32) for _ in range(2))
    state = optimizer.init(theta)
    return lambda: optimizer.update(theta, gradient, state)


def torch_step(
    kind: Callable[..., torch.optim.Optimizer], options: dict[str, float]
) -> Callable[[], object]:
    """Return one update."""
    theta = torch.randn(COUNT, requires_grad=True)
    theta.grad = torch.randn(COUNT)
    return kind([theta], fused=True, **options).step


def seconds(step: Callable[[], object]) -> float:
    """Return the time of one call."""
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()

    torch.set_num_threads(processors())
    memory = measure().levels[-1].all_threads
    rows = []
    for name, states, optimizer, (kind, options) in OPTIMIZERS:
        steps = [descend_step(optimizer), torch_step(kind, options)]
        for step in steps:
            step()  # the state's memory is new
        times = [[seconds(step) for step in steps] for _ in range(ROUNDS)]
        gigabytes = 4e-9 * COUNT * (2 * (1 + states) + 1)
        own, peer = (gigabytes / median(column) for column in zip(*times, strict=True))
        rows.append([name, f"{own:.1f}", f"{peer:.1f}", f"{100 * own / memory:.0f}"])
    table = format_table(["GB/s", "descend", "PyTorch", f"% of triad ({memory:.1f})"], rows)
    print(table)
    if arguments.markdown:
        publish("optimizers", table)


if __name__ == "__main__":
    main()
