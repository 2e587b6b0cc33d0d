"""What the classifier and the regressor share: parameters, fitting, the way to the core."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight, validate_data

import descend as ds
from descend.callbacks.calls import Calls
from descend.sklearn.current_network import CurrentNetwork
from descend.sklearn.lbfgs import minimise
from descend.sklearn.objective import Objective
from descend.sklearn.record import Record
from descend.sklearn.rows import Array, dense_parts
from descend.sklearn.stochastic import Run, Solver
from descend.sklearn.validation import Validation


class BaseMLP(BaseEstimator, ABC):
    """A multilayer perceptron with scikit-learn's parameters on descend's core.

    The parameters live in ``coefs_`` and ``intercepts_``, which may be changed between calls; a
    network of the core takes them over for each call.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", *ds.activations()}), list, tuple],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [
            StrOptions({"constant", "invscaling", "adaptive"}),
            ds.LearningRate,
            callable,
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "metrics": [None, list, tuple],
        "callbacks": [None, list, tuple],
        "clip_norm": [None, Interval(Real, 0, None, closed="neither")],
        "clip_value": [None, Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "threads": [None, Interval(Integral, 1, None, closed="left")],
    }

    # ---- what differs -------------------------------------------------------------------------

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """Check the data; return y as (rows,) or (rows, columns), of several classes places."""

    @abstractmethod
    def _validate_eval_set(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Check other data against those fitted to; return y as ``_validate_input`` does."""

    @abstractmethod
    def _outputs_for(self, y: Array) -> int:
        """Return how many outputs the network needs for y (rows, columns)."""

    @abstractmethod
    def _objective(self) -> Objective:
        """Return the loss that is minimised."""

    @abstractmethod
    def _targets(self, y: Array, dtype: str) -> Array:
        """Return y (rows, columns) as the core takes it."""

    @abstractmethod
    def _outputs(self, z: Array) -> Array:
        """Apply the output activation to the network's raw outputs."""

    def _for_metrics(self, z: Array, targets: Array) -> tuple[Array, Array, str]:
        """Return outputs, targets and the loss by which ``descend.metric`` reads them."""
        return z, targets, self._objective().name

    @abstractmethod
    def _score_rows(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        """Score the network's outputs for y: accuracy, or R^2."""

    @abstractmethod
    def _validation_targets(self, y: Array) -> Array:
        """Return y (rows, columns) of rows set aside as ``_score_rows`` takes it."""

    def _checked(self, X: Any, y: Any, reset: bool, **options: Any) -> tuple[Any, Array]:
        """Check data for a fit by scikit-learn's rules, y of one output or several."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
            **options,
        )
        return X, y

    # ---- parameters and the core's network ----------------------------------------------------

    def _initialize(self, layer_units: list[int], dtype: Any) -> None:
        """Draw initial parameters."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(layer_units)
        self.out_activation_ = self._out_activation()
        self._current_network = CurrentNetwork()
        self.coefs_: list[Array] = []
        self.intercepts_: list[Array] = []
        activations = self._activations(len(layer_units) - 2) or [_core_name(self.activation)]
        # The last layer is drawn as the one below it.
        for (inputs, units), activation in zip(
            pairwise(layer_units), [*activations, activations[-1]], strict=False
        ):
            bound = np.sqrt((2.0 if activation == "sigmoid" else 6.0) / (inputs + units))
            draws = (inputs, units), units
            w, b = (self._random_state.uniform(-bound, bound, shape) for shape in draws)
            self.coefs_.append(w.astype(dtype, copy=False))
            self.intercepts_.append(b.astype(dtype, copy=False))
        if self.solver != "lbfgs":
            self._start_records()

    def _start_records(self) -> None:
        """Start the records of the epochs."""
        stopped_by_score = self.early_stopping
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.best_loss_: float | None = None if stopped_by_score else np.inf
        self.validation_scores_: list[float] | None = [] if stopped_by_score else None
        self.best_validation_score_: float | None = -np.inf if stopped_by_score else None

    @abstractmethod
    def _out_activation(self) -> str:
        """Return the name of the output activation."""

    def _activations(self, hidden_layers: int) -> list[str]:
        """Return the core's name of each hidden layer's activation."""
        if isinstance(self.activation, str):
            return [_core_name(self.activation)] * hidden_layers
        names = [_core_name(name) for name in self.activation]
        unknown = sorted({repr(name) for name in names if name not in ds.activations()})
        if unknown:
            raise ValueError(
                f"activation holds {', '.join(unknown)}; known activations: logistic, "
                f"{', '.join(ds.activations())}."
            )
        if len(names) != hidden_layers:
            raise ValueError(
                f"activation holds {len(names)} names for {hidden_layers} hidden layers; give one "
                "for each of hidden_layer_sizes, or a single name for all."
            )
        return names

    def _network(self, dtype: Any = None, dropout: float = 0.0) -> ds.Network:
        """Return a network of the core with the parameters in ``coefs_`` and ``intercepts_``."""
        *hidden, outputs = (len(b) for b in self.intercepts_)
        layers: list[ds.Dense | ds.Dropout] = []
        for units, activation in zip(hidden, self._activations(len(hidden)), strict=True):
            layers += [ds.Dense(units, activation), ds.Dropout(dropout)]
        return ds.Network(
            len(self.coefs_[0]),
            [*layers, ds.Dense(outputs)],
            dtype=str(dtype or self.coefs_[0].dtype),
            parameters=list(zip(self.coefs_, self.intercepts_, strict=True)),
        )

    def _take_parameters(self, parameters: list[tuple[Array, Array]]) -> None:
        dtype = self.coefs_[0].dtype
        self.coefs_ = [w.astype(dtype, copy=False) for w, _ in parameters]
        self.intercepts_ = [b.astype(dtype, copy=False) for _, b in parameters]

    def _raw_outputs(self, X: Any, network: ds.Network) -> Array:
        """Return the network's outputs for checked rows."""
        parts = [network.predict(part, self.threads) for _, part in dense_parts(X, 1)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _predicted(self, X: Any) -> Array:
        """Check rows, and return the outputs for them."""
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if not hasattr(self, "_current_network"):  # coefs_ were set by hand
            self._current_network = CurrentNetwork()
        network = self._current_network.of(
            [*self.coefs_, *self.intercepts_],
            self._activations(len(self.coefs_) - 1),
            self._network,
        )
        return self._outputs(self._raw_outputs(X, network))

    # ---- fitting ------------------------------------------------------------------------------

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        eval_set: Any = None,
        incremental: bool = False,
    ) -> Any:
        """Fit to all rows, or with ``incremental`` go through them once from where it stands."""
        hidden = np.ravel(self.hidden_layer_sizes).tolist()
        if any(units <= 0 for units in hidden):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        if self.solver == "lbfgs":
            self._refuse_what_goes_by_steps(eval_set)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.metrics and not incremental and eval_set is None and not self.early_stopping:
            raise ValueError(
                "metrics are taken on validation rows; give eval_set to fit, or set early_stopping."
            )
        first_pass = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        given_y = y
        X, y = self._validate_input(X, y, incremental, reset=first_pass)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        loss_weight = self._loss_weight(given_y, sample_weight, incremental)
        y = y.reshape(len(y), -1)
        self.n_outputs_ = self._outputs_for(y)
        self._random_state = check_random_state(self.random_state)
        layer_units = [X.shape[1], *hidden, self.n_outputs_]
        if first_pass:
            self._initialize(layer_units, X.dtype)
        elif layer_units != [len(self.coefs_[0]), *map(len, self.intercepts_)]:
            raise ValueError(
                f"The network fitted before has layers of {list(map(len, self.intercepts_))} "
                f"units, but hidden_layer_sizes={self.hidden_layer_sizes!r} asks for "
                f"{layer_units[1:]}; clone the estimator, or set warm_start=False, to begin anew."
            )
        if self.solver == "lbfgs":
            self._fit_lbfgs(X, y, loss_weight)
        else:
            self._fit_stochastic(X, y, sample_weight, loss_weight, eval_set, incremental)
        if not all(np.isfinite(part).all() for part in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _refuse_what_goes_by_steps(self, eval_set: Any) -> None:
        given = {
            "dropout": self.dropout > 0,
            "eval_set": eval_set is not None,
            "a schedule as learning_rate": not isinstance(self.learning_rate, str),
            "metrics": bool(self.metrics),
            "callbacks": bool(self.callbacks),
            "clip_norm": self.clip_norm is not None,
            "clip_value": self.clip_value is not None,
        }
        for name, is_given in given.items():
            if is_given:
                raise ValueError(f"The solver 'lbfgs' does not take {name}; use 'adam' or 'sgd'.")

    def _loss_weight(self, y: Any, sample_weight: Array | None, incremental: bool) -> Any:
        """Return each row's weight in the loss that is minimised."""
        return sample_weight

    def _fit_lbfgs(self, X: Any, y: Array, sample_weight: Array | None) -> None:
        # As in scikit-learn, in float64 whatever the dtype of X: the line search needs it.
        network = self._network("float64")
        result, parameters = minimise(
            network,
            self._objective(),
            X,
            y=self._targets(y, "float64"),
            sample_weight=sample_weight,
            alpha=self.alpha,
            threads=self.threads,
            options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
        )
        self.n_iter_ = _check_optimize_result("lbfgs", result, self.max_iter)
        self.loss_ = result.fun
        self._take_parameters(parameters)

    def _fit_stochastic(
        self,
        X: Any,
        y: Array,
        sample_weight: Array | None,
        loss_weight: Array | None,
        eval_set: Any,
        incremental: bool,
    ) -> None:
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = Solver(self)
        if not hasattr(self, "loss_curve_"):  # after 'lbfgs', with warm_start
            self._start_records()
        validation: Validation | None = None
        if eval_set is not None:
            X_val, y_val = self._validate_eval_set(*eval_set)
            validation = Validation(self, X_val, y_val.reshape(len(y_val), -1), None)
        elif self.early_stopping:
            X, y, loss_weight, validation = self._set_aside(X, y, sample_weight, loss_weight)
        network = self._network(dropout=self.dropout)
        batch_size = self._batch_rows(X.shape[0])
        trainer = ds.Trainer(
            network,
            self._objective().name,
            self._optimizer.rule,
            batch_size,
            shuffle=False,
            seed=self._dropout_seed(),
            threads=self.threads,
            l2=self.alpha,
            divide_penalty=True,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
        )
        run = Run(
            self,
            trainer,
            self._objective(),
            X,
            y,
            self._targets(y, network.dtype),
            loss_weight,
            batch_size,
        )
        self._run_epochs(run, validation, incremental)

    def _run_epochs(self, run: Run, validation: Validation | None, incremental: bool) -> None:
        """Go through the epochs, and leave the parameters, however they end."""
        record = Record(run)
        calls = Calls(run.trainer, self.callbacks or ())
        if calls.every_n_steps:
            raise ValueError(
                "callbacks: one asks to be called after steps, but estimators call after epochs "
                "alone; use descend.Trainer for it."
            )
        if self.early_stopping:
            run.keep_best()
        try:
            calls.begin()
            try:
                self._go_through_epochs(run, validation, incremental, record, calls)
            except KeyboardInterrupt:
                record.stop_reason = "interrupted"
                warnings.warn("Training interrupted by user.", stacklevel=2)
            run.put_best_back()
            self.history_ = record.history()
            calls.end(self.history_)
        finally:
            calls.close()
            run.put_best_back()
            run.keep_state()
            parameters = run.trainer.network.parameters()
            if run.diverged and not self.early_stopping:
                parameters = [(w * np.nan, b * np.nan) for w, b in parameters]
            self._take_parameters(parameters)

    def _go_through_epochs(
        self,
        run: Run,
        validation: Validation | None,
        incremental: bool,
        record: Record,
        calls: Calls,
    ) -> None:
        self.n_iter_ = 0
        for _ in range(self.max_iter):
            if self.shuffle:
                run.shuffle(self._random_state)
            self.loss_ = run.epoch()
            self.n_iter_ += 1
            self.t_ += run.X.shape[0]
            self.loss_curve_.append(self.loss_)
            if self.verbose:
                print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
            measured = None
            if validation is not None:
                measured = validation.measure(run)
                if self._record_score(measured.score) and self.early_stopping:
                    run.keep_best()
            record.epoch_ended(self.loss_, measured)
            self._count_improvement()
            run.solver.epoch_ends(self.t_)
            goes_on = run.diverged or run.report(calls, record)
            if self._no_improvement_count > self.n_iter_no_change:
                if run.solver.stops(self._stopping_message(), self.verbose):
                    record.stop_reason = "patience" if self.early_stopping else "loss_change"
                    break
                self._no_improvement_count = 0
            if not goes_on:
                record.stop_reason = "interrupted"
                break
            if incremental:
                break
            if self.n_iter_ == self.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and "
                    "the optimization hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=2,
                )

    def _batch_rows(self, n_rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, n_rows)
        if self.batch_size > n_rows:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. "
                "It is going to be clipped",
                stacklevel=2,
            )
        return int(min(self.batch_size, n_rows))

    def _dropout_seed(self) -> int:
        # Drawn where it is needed alone, so that all other draws are scikit-learn's; the rows seen
        # tell one call of partial_fit from the next.
        if self.dropout == 0:
            return 0
        return int(self._random_state.randint(2**31 - 1)) + self.t_

    # ---- validation ---------------------------------------------------------------------------

    def _set_aside(
        self, X: Any, y: Array, sample_weight: Array | None, loss_weight: Array | None
    ) -> tuple[Any, Array, Array | None, Validation]:
        """Split off the rows whose score ends the run."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        weights = [weight for weight in (sample_weight, loss_weight) if weight is not None]
        X, X_val, y, y_val, *weights = train_test_split(
            X,
            y,
            *weights,
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if X_val.shape[0] < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        weight_val = None if sample_weight is None else weights[1]
        loss_weight = None if loss_weight is None else weights[-2]
        return X, y, loss_weight, Validation(self, X_val, y_val, weight_val)

    def _record_score(self, score: float) -> bool:
        """Record a validation score; return whether it is the best so far."""
        scores, best_score = self.validation_scores_, self.best_validation_score_
        if scores is None or best_score is None:
            scores, best_score = [], -np.inf
        scores.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        if self.early_stopping:
            improves = not score < best_score + self.tol
            self._no_improvement_count = 0 if improves else self._no_improvement_count + 1
        best = score > best_score
        self.validation_scores_ = scores
        self.best_validation_score_ = score if best else best_score
        return best

    def _count_improvement(self) -> None:
        """Without early stopping, the training loss must go on falling."""
        if self.early_stopping:
            return
        best = np.inf if self.best_loss_ is None else self.best_loss_
        improves = not self.loss_ > best - self.tol
        self._no_improvement_count = 0 if improves else self._no_improvement_count + 1
        self.best_loss_ = min(best, self.loss_)

    def _stopping_message(self) -> str:
        what = "Validation score" if self.early_stopping else "Training loss"
        return (
            f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change:d} "
            "consecutive epochs."
        )

    def _is_stochastic(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _core_name(activation: Any) -> Any:
    return "sigmoid" if activation == "logistic" else activation
