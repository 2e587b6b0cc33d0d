"""scikit-learn: ``MLPClassifier.partial_fit`` on all rows, which is one epoch of minibatches.

With two classes it has one output and the logistic loss, which is less work than the others do.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from contenders import Epoch, UnsupportedError
from tasks import LEARNING_RATE, Task

SOLVERS = {"adam", "sgd"}
ACTIVATIONS = {"relu", "tanh"}


def make_epoch(task: Task, X: NDArray[np.float32], y: NDArray[np.int64], threads: int) -> Epoch:
    """Return one epoch of ``MLPClassifier``; the number of threads is set from outside."""
    for name, known in [(task.optimizer, SOLVERS), (task.activation, ACTIVATIONS)]:
        if name not in known:
            raise UnsupportedError(f"scikit-learn has no {name}.")
    classifier = MLPClassifier(
        task.sizes[1:-1],
        activation=task.activation,
        solver=task.optimizer,
        alpha=0.0,
        batch_size=task.batch_size,
        learning_rate_init=LEARNING_RATE,
        momentum=0.0,
        nesterovs_momentum=False,
        random_state=0,
    )
    classes = np.arange(task.sizes[-1])

    def epoch() -> float:
        classifier.partial_fit(X, y, classes=classes)
        return classifier.loss_

    return epoch
