"""Runs of three steps an epoch, as the tests of callbacks use them."""

import descend as ds
from strategies import mlp, problem

CASE = problem(mlp(4, 6, 2), "squared_error", 40, seed=3)
VALIDATION = CASE.X[:15], CASE.y[:15]


def trainer(**options):
    """Return a trainer of three steps an epoch."""
    options = {"batch_size": 16, "optimizer": ds.Adam(0.01), **options}
    return ds.Trainer(CASE.architecture.network(), loss=CASE.loss, **options)


def fit(run, callbacks, epochs=4, **options):
    return run.fit(CASE.X, CASE.y, epochs=epochs, callbacks=callbacks, **options)


def overfitting():
    """Return a trainer whose validation loss soon rises."""
    return trainer(batch_size=4, optimizer=ds.Adam(0.05))
