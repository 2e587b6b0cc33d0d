"""What the classifier and the regressor share: parameters, the checks of a fit, its solvers."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight, validate_data

import descend as ds
from descend.sklearn.epoch_estimator import EpochEstimator
from descend.sklearn.lbfgs import minimise
from descend.sklearn.rows import Array


class BaseMLP(EpochEstimator):
    """A multilayer perceptron with scikit-learn's parameters on descend's core."""

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
        "average_decay": [None, Interval(Real, 0, 1, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "threads": [None, Interval(Integral, 1, None, closed="left")],
        "device": [StrOptions(set(ds.devices()))],
    }

    def _validate_params(self) -> None:
        """Check the parameters by scikit-learn's rules; their numbers must be some of float64."""
        for name, value in self.get_params(deep=False).items():
            for number in _parts(value):
                if isinstance(number, Real) and not _is_in_range(number):
                    bits = f" of {number.bit_length()} bits" if isinstance(number, int) else ""
                    raise InvalidParameterError(
                        f"The {name!r} parameter of {type(self).__name__} must be within the range "
                        f"of float64. Got an instance of {type(number).__name__!r}{bits} instead."
                    )
        super()._validate_params()

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
            "average_decay": self.average_decay is not None,
            "device 'cuda'": self.device != "cpu",
            **{name: bool(value) for name, value in self._loss_options().items()},
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


def _parts(value: Any) -> Iterable[Any]:
    """Return what a parameter holds, such as one number for each layer or class."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else [value]


def _is_in_range(number: Real) -> bool:
    """Return whether a number is one of float64, which scikit-learn and NumPy compare it with."""
    try:
        float(number)
    except OverflowError:
        return False
    return True
