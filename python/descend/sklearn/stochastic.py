"""The solvers 'sgd' and 'adam': what they keep, and one epoch in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from descend import _core
from descend.network import Network
from descend.sklearn.objective import Objective
from descend.sklearn.rows import Array, core_rows
from descend.trainer import Optimizer, Trainer

if TYPE_CHECKING:
    from descend.callbacks.calls import Calls
    from descend.sklearn.epoch_estimator import EpochEstimator
    from descend.sklearn.record import Record

Parameters = list[tuple[Array, Array]]


class Solver:
    """An optimizer, its learning rate's schedule, and its state between calls.

    Attributes
    ----------
    learning_rate : float
        In use from the next epoch on, where no schedule of ``descend.schedules`` is.
    epochs : int
        Done so far.
    state : OptimizerState or None
        Of the last epoch; None before the first.
    trained : list of (weights, bias) or None
        With ``average_decay``, the parameters whose average the estimator has.
    """

    def __init__(self, settings: EpochEstimator) -> None:
        schedule = settings.learning_rate
        self.rates = None if isinstance(schedule, str) else _rates(schedule)
        self.schedule: str = "constant"
        if isinstance(schedule, str) and settings.solver == "sgd":
            self.schedule = schedule
        self.learning_rate_init = float(settings.learning_rate_init)
        self.learning_rate = self.learning_rate_init
        self.power_t: float = settings.power_t
        self.rule: Optimizer = _rule(settings, self.rates or self.learning_rate_init)
        self.epochs = 0
        self.state: _core.OptimizerState | None = None
        self.trained: Parameters | None = None

    def epoch_begins(self, trainer: Trainer) -> None:
        """Set the rate, but where it follows the steps: those are in the state."""
        if self.rates is None:
            trainer.learning_rate = self.learning_rate
        elif self.rates.parameters.get("per_epoch"):
            # A trainer lasts for one call; epochs are counted over all calls.
            trainer.learning_rate = self.rates.at(self.epochs + 1)

    def take_over(self, learning_rate: Any) -> None:
        """Go on with what a callback has set as the learning rate."""
        if isinstance(learning_rate, float):
            self.schedule, self.rates, self.learning_rate = "constant", None, learning_rate
        else:
            self.rates = _rates(learning_rate)

    def epoch_ends(self, samples_seen: int) -> None:
        """Follow the schedule 'invscaling'."""
        self.epochs += 1
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


def _rates(schedule: Any) -> _core.LearningRate:
    if isinstance(schedule, _core.LearningRate):
        return schedule
    return _core.LearningRate("function", {"function": schedule})


def _rule(settings: EpochEstimator, rate: float | _core.LearningRate) -> Optimizer:
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
        settings: EpochEstimator,
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
        self.X = core_rows(X)
        self.targets = targets
        self.sample_weight = sample_weight
        self.batch_size = batch_size
        self.sizes = self._sums(np.ones(self.X.shape[0]))
        self.constant = objective.constant(y)
        self.order: Array | None = None
        self.diverged = False
        self.averages = settings.average_decay is not None
        self._best: tuple[Parameters, Parameters] | None = None
        if self.solver.state is not None:
            trainer.optimizer_state = self.solver.state
        if self.averages and self.solver.trained is not None:
            trainer.set_averaged_parameters(trainer.network.parameters())
            trainer.network.set_parameters(self.solver.trained)

    def network(self) -> Network:
        """Return the network that the estimator predicts with."""
        return self.trainer.averaged_network if self.averages else self.trainer.network

    def shuffle(self, random_state: np.random.RandomState) -> None:
        """Shuffle the visiting order further, by the draws of ``sklearn.utils.shuffle``."""
        draw = random_state.permutation(self.X.shape[0])
        self.order = draw if self.order is None else self.order[draw]

    def epoch(self) -> float:
        """Visit every row once; return the mean of the minibatches' losses over the rows.

        NaN from where the loss or a parameter is not finite: nothing is visited any more.
        """
        if self.diverged:
            return np.nan
        self.solver.epoch_begins(self.trainer)
        try:
            steps = self._epoch()
        except FloatingPointError:
            self.diverged = True
            return np.nan
        losses = steps[:, 0] / self.objective.divisor + steps[:, 1]
        sizes = self._sizes()
        if self.constant is not None:
            losses += self._constants()
        return float(losses @ sizes / sizes.sum())

    def report(self, calls: Calls, record: Record) -> bool:
        """Call the callbacks after an epoch; return whether they let the run go on."""
        if calls.is_empty:
            return True
        rate = self.trainer.learning_rate
        measured = record.measured
        goes_on = calls.epoch(
            {
                "epoch": self.trainer.epoch,
                "loss": record.loss[-1],
                "validation_loss": None if measured is None else measured.loss,
                "learning_rate": record.learning_rate[-1],
                "rows": self.X.shape[0],
                "steps": record.steps,
                "seconds": record.seconds,
                "validation_metrics": {} if measured is None else measured.metrics,
            }
        )
        if self.trainer.learning_rate != rate:
            self.solver.take_over(self.trainer.learning_rate)
        return goes_on

    def keep_best(self) -> None:
        """Keep the parameters, which are the best so far."""
        self._best = self.trainer.network.parameters(), self.network().parameters()

    def put_best_back(self) -> None:
        """Put back the best parameters, where some are kept."""
        if self._best is not None:
            trained, best = self._best
            self.trainer.network.set_parameters(trained)
            if self.averages:
                self.trainer.set_averaged_parameters(best)
            self._best = None

    def last_learning_rate(self) -> float:
        """The rate of the last step."""
        rate = self.trainer.learning_rate
        return rate if isinstance(rate, float) else _rates(rate).at(self.trainer.steps)

    def keep_state(self) -> None:
        """Keep what the next call of partial_fit goes on from."""
        self.solver.state = self.solver.trained = None
        if not self.diverged:
            self.solver.state = self.trainer.optimizer_state
            if self.averages:
                self.solver.trained = self.trainer.network.parameters()

    def _epoch(self) -> Array:
        """Run an epoch; return its ``last_steps``."""
        # The estimator's checks have found X finite, once for all epochs, but have not looked at
        # where the elements of a sparse one stand.
        looks = issparse(self.X) and self.trainer.epoch == 0
        self.trainer.run_epoch(
            self.X, self.targets, self.order, self.sample_weight, check_finite=looks
        )
        return self.trainer.last_steps

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
