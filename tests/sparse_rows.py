"""Sparse rows (CSR) as plain NumPy arrays: what the library asks of them, without SciPy."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import descend as ds
from element_types_run import hostile


@dataclass
class Csr:
    """Row ``i`` has ``data[k]`` in column ``indices[k]``, k from indptr[i] up to indptr[i + 1]."""

    data: object
    indices: object
    indptr: object
    shape: object
    format: ClassVar[str] = "csr"

    def __getitem__(self, rows):
        """Return rows next to each other, of the same values."""
        begin, end, _ = rows.indices(self.shape[0])
        indptr = self.indptr[begin : end + 1]
        return Csr(self.data, self.indices, indptr, (end - begin, self.shape[1]))

    def toarray(self):
        dense = np.zeros(self.shape, self.data.dtype)
        for row, (begin, end) in enumerate(zip(self.indptr[:-1], self.indptr[1:], strict=True)):
            dense[row, self.indices[begin:end]] = self.data[begin:end]
        return dense


def csr(rows, columns, density, seed=0, kind="float32", index="int32", around=0):
    """Return drawn rows, the columns of each in any order, with values of no row around them.

    ``density`` is that of each row, or of all.
    """
    rng = np.random.default_rng(seed)
    counts = rng.binomial(columns, density, rows)
    indices = [rng.permutation(columns)[:count] for count in counts]
    stored = counts.sum() + 2 * around
    values = rng.normal(size=stored) if kind.startswith("float") else rng.integers(0, 9, stored)
    values = values.astype(kind)
    some = rng.random(stored) < 0.1
    values[some] = rng.choice(hostile(kind, limit=1e30), some.sum())
    unused = np.full(around, columns - 1)
    return Csr(
        values,
        np.concatenate([unused, *indices, unused]).astype(index),
        (around + np.concatenate([[0], np.cumsum(counts)])).astype(index),
        (rows, columns),
    )


def everything(case, X, options, order):
    """Return all that a network and a trainer say of the rows of a problem."""
    network = case.architecture.network()
    trainer = ds.Trainer(network, case.loss, ds.Adam(0.01), **options)
    weights, loss = case.sample_weight, case.loss
    history = trainer.fit(
        X,
        case.y,
        epochs=2,
        sample_weight=weights,
        validation_data=(X, case.y),
        metrics=["mean_absolute_error"],
    )
    figures = [history.loss, history.validation_loss, *history.metrics.values()]
    figures.append(trainer.run_epoch(X, case.y, order, weights, check_finite=False))
    figures.append(trainer.step(X, case.y, weights))
    figures.append(list(trainer.evaluate(X, case.y, ["r2"], weights).values()))
    figures.append(list(network.loss_and_gradient(X, case.y, loss, weights)))
    if X.shape[0] > 1:
        noise = ds.gradient_noise(network, X, case.y, loss)
        figures.append([noise.loss, noise.variance, noise.squared_norm])
    return [*figures, network.predict(X), network.parameters(), trainer.last_steps]
