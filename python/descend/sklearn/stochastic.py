"""The solvers 'sgd' and 'adam': what they keep, and one epoch in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from descend import _core
from descend.sklearn.objective import Objective
from descend.sklearn.rows import Array, dense_parts, dense_where_small
from descend.trainer import Optimizer, Trainer

if TYPE_CHECKING:
    from descend.sklearn.base import BaseMLP


class Solver:
    """An optimizer, its learning rate's schedule, and its state between calls.

    Attributes
    ----------
    learning_rate : float
        In use from the next epoch on.
    state : OptimizerState or None
        Of the last epoch; None before the first.
    """

    def __init__(self, settings: BaseMLP) -> None:
        self.schedule: str = settings.learning_rate if settings.solver == "sgd" else "constant"
        self.learning_rate_init = float(settings.learning_rate_init)
        self.learning_rate = self.learning_rate_init
        self.power_t: float = settings.power_t
        self.rule: Optimizer = _rule(settings)
        self.state: _core.OptimizerState | None = None

    def epoch_ends(self, samples_seen: int) -> None:
        """Follow the schedule 'invscaling'."""
        if self.schedule == "invscaling":
            self.learning_rate = self.learning_rate_init / (samples_seen + 1) ** self.power_t

    def stops(self, message: str, verbose: bool) -> bool:
        """Whether no improvement ends the run; 'adaptive' goes on with a fifth of the rate."""
        adaptive = self.schedule == "adaptive"
        stops = not adaptive or self.learning_rate <= 1e-6
        if not stops:
            self.learning_rate /= 5.0
        if verbose:
            if not stops:
                message += f" Setting learning rate to {self.learning_rate:f}"
            else:
                message += " Learning rate too small. Stopping." if adaptive else " Stopping."
            print(message)
        return stops


def _rule(settings: BaseMLP) -> Optimizer:
    rate = settings.learning_rate_init
    if settings.solver == "adam":
        return _core.Adam(
            rate, settings.beta_1, settings.beta_2, settings.epsilon, epsilon_hat=True
        )
    # scikit-learn takes a momentum of 1 too: the core's range ends below it.
    momentum = min(settings.momentum, np.nextafter(1.0, 0.0))
    return _core.SGD(rate, momentum, settings.nesterovs_momentum and momentum > 0)


class Run:
    """One call of fit or partial_fit over prepared rows: an epoch at a time."""

    def __init__(
        self,
        settings: BaseMLP,
        trainer: Trainer,
        objective: Objective,
        X: Any,
        y: Array,
        targets: Array,
        sample_weight: Array | None,
        batch_size: int,
    ) -> None:
        self.solver: Solver = settings._optimizer
        self.trainer = trainer
        self.objective = objective
        self.X = dense_where_small(X)
        self.targets = targets
        self.sample_weight = sample_weight
        self.batch_size = batch_size
        self.sizes = self._sums(np.ones(self.X.shape[0]))
        self.constant = objective.constant(y)
        self.order: Array | None = None
        if self.solver.state is not None:
            trainer.optimizer_state = self.solver.state

    def shuffle(self, random_state: np.random.RandomState) -> None:
        """Shuffle the visiting order further, by the draws of ``sklearn.utils.shuffle``."""
        draw = random_state.permutation(self.X.shape[0])
        self.order = draw if self.order is None else self.order[draw]

    def epoch(self) -> float:
        """Visit every row once; return the mean of the minibatches' losses over the rows.

        Raises
        ------
        FloatingPointError
            Where the loss or a parameter is not finite.
        """
        self.trainer.learning_rate = self.solver.learning_rate
        if issparse(self.X):
            steps = self._sparse_epoch()
        else:
            self.trainer.run_epoch(self.X, self.targets, self.order, self.sample_weight)
            steps = self.trainer.last_steps
        losses = steps[:, 0] / self.objective.divisor + steps[:, 1]
        sizes = self._sizes()
        if self.constant is not None:
            losses += self._constants()
        return float(losses @ sizes / sizes.sum())

    def keep_state(self) -> None:
        """Keep what the next call of partial_fit goes on from."""
        self.solver.state = self.trainer.optimizer_state

    def _sparse_epoch(self) -> Array:
        X = self.X if self.order is None else self.X[self.order]
        targets, weights = self._visited(self.targets), self._visited(self.sample_weight)
        steps = []
        for rows, part in dense_parts(X, self.batch_size):
            part_weights = None if weights is None else weights[rows]
            if part_weights is None or part_weights.any():
                self.trainer.run_epoch(part, targets[rows], None, part_weights)
                steps.append(self.trainer.last_steps)
        return np.concatenate(steps)

    def _visited(self, values: Any) -> Any:
        return values if values is None or self.order is None else values[self.order]

    def _sums(self, values: Array) -> Array:
        """Sum over the rows of each minibatch."""
        return np.add.reduceat(values, np.arange(0, len(values), self.batch_size))

    def _sizes(self) -> Array:
        """Rows of each minibatch; the core passes over one without weight, and so does this."""
        weights = self._visited(self.sample_weight)
        return self.sizes if weights is None else self.sizes[self._sums(weights) > 0]

    def _constants(self) -> Array:
        """The weighted mean of each minibatch's constants."""
        constant, weights = self._visited(self.constant), self._visited(self.sample_weight)
        weights = np.ones(len(constant)) if weights is None else weights
        sums = self._sums(weights)
        means: Array = self._sums(weights * constant)[sums > 0] / sums[sums > 0]
        return means
