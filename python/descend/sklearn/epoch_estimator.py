"""Fitting by epochs of minibatches: what ends a run, and what it leaves in the estimator."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

import descend as ds
from descend.callbacks.calls import Calls
from descend.sklearn.network_estimator import NetworkEstimator
from descend.sklearn.record import Record
from descend.sklearn.rows import Array
from descend.sklearn.stochastic import Run, Solver
from descend.sklearn.validation import Validation


class EpochEstimator(NetworkEstimator):
    """An estimator that the solvers 'sgd' and 'adam' fit, with scikit-learn's stopping rules."""

    def _start_records(self) -> None:
        """Start the records of the epochs."""
        stopped_by_score = self.early_stopping
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.best_loss_: float | None = None if stopped_by_score else np.inf
        self.validation_scores_: list[float] | None = [] if stopped_by_score else None
        self.best_validation_score_: float | None = -np.inf if stopped_by_score else None

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
            device=self.device,
            l2=self.alpha,
            divide_penalty=True,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            average_decay=self.average_decay,
            **self._loss_options(),
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
            parameters = run.network().parameters()
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
