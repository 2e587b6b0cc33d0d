"""descend, with the number of threads left to it; DESCEND_NUM_THREADS is the most."""

import numpy as np
from numpy.typing import NDArray

import descend as ds
from contenders import Epoch
from tasks import LEARNING_RATE, Task

OPTIMIZERS = {"adam": ds.Adam, "rmsprop": ds.RMSProp, "sgd": ds.SGD}


def make_epoch(task: Task, X: NDArray[np.float32], y: NDArray[np.int64], threads: int) -> Epoch:
    """Return one epoch of ``ds.Trainer``."""
    trainer = ds.Trainer(
        ds.Network.mlp(task.sizes, activation=task.activation),
        loss="softmax_cross_entropy",
        optimizer=OPTIMIZERS[task.optimizer](learning_rate=LEARNING_RATE),
        batch_size=task.batch_size,
    )
    return lambda: trainer.run_epoch(X, y)
