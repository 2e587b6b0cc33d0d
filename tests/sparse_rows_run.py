"""Trains on sparse rows and on their dense copy, and prints digests: ``python sparse_rows_run.py``.

One line a type of values, dtype and number of threads; test_sparse_rows.py compares them.
"""

import sys
from itertools import product

import numpy as np

import descend as ds
from element_types_run import DTYPES, INPUTS, OUTPUTS, ROWS, digest
from sparse_rows import csr

THREADS = 1, 3
INDICES = "int32", "int64"
# So few of so many columns that the products walk the rows themselves.
WIDE = 1500, 0.02
KINDS = "bool", "int64", "float16", "float32", "float64"


def main():
    print(ds.build_info()["isa"])
    y = np.random.default_rng(1).normal(size=(ROWS, OUTPUTS))
    for place, kind in enumerate(KINDS):
        X = csr(ROWS, INPUTS, 0.3, 3, kind, INDICES[place % 2])
        for dtype, threads in product(DTYPES, THREADS):
            digests = [digest(dtype, rows, y, threads) for rows in (X, X.toarray())]
            print(kind, dtype, *digests)
    X = csr(ROWS, WIDE[0], WIDE[1], 3)
    for dtype, threads in product(DTYPES, THREADS):
        print("wide", dtype, *[digest(dtype, rows, y, threads) for rows in (X, X.toarray())])
    return 0


if __name__ == "__main__":
    sys.exit(main())
