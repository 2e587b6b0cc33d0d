"""MLPClassifier."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
)
from sklearn.utils.validation import check_is_fitted

import descend as ds
from descend.sklearn.class_labels import ClassLabels
from descend.sklearn.rows import Array


class MLPClassifier(ClassifierMixin, ClassLabels):
    """Multilayer perceptron classifier, as ``sklearn.neural_network.MLPClassifier``.

    It minimises the log loss: of a softmax over the classes, or of a logistic output where there
    are two classes, or several labels a row; with ``loss="one_vs_rest"`` of one for each class.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(100,)
        Units of each hidden layer.
    activation : str or list of str, default='relu'
        Of the hidden layers: 'identity', 'logistic', 'tanh', 'relu' as in scikit-learn, or any
        other of ``descend.activations()``. A list has one for each of them; not in scikit-learn.
    solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
        'lbfgs' is SciPy's L-BFGS-B over all rows, computed in float64; 'sgd' and 'adam' go through
        minibatches.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights: half of it times their squared norm, divided by
        the minibatch's number of rows or sum of weights, is part of the loss.
    batch_size : int or 'auto', default='auto'
        Rows of a minibatch; 'auto' is ``min(200, n_samples)``.
    learning_rate : {'constant', 'invscaling', 'adaptive'} or schedule, default='constant'
        Schedule of 'sgd': 'invscaling' divides by the number of rows seen to the power of
        ``power_t``, 'adaptive' by 5 each time that the loss or score has ceased to improve. Not in
        scikit-learn: a schedule of ``descend.schedules``, or a function of the step's number, from
        1, for 'sgd' and 'adam'; steps and epochs are counted over all calls of ``partial_fit``.
    learning_rate_init : float, default=0.001
        Initial learning rate of 'sgd' and 'adam'; of no effect beside a schedule of one's own.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=200
        At most so many epochs, or iterations of 'lbfgs'.
    shuffle : bool, default=True
        Visit the rows in a new order each epoch.
    random_state : int, RandomState instance or None, default=None
        Of the initial parameters, the shuffles and the split for early stopping: the draws, and so
        the losses, are scikit-learn's.
    tol : float, default=1e-4
        An epoch that improves by less counts as without improvement; ``gtol`` of 'lbfgs'.
    verbose : bool, default=False
        Print the loss of each epoch.
    warm_start : bool, default=False
        ``fit`` goes on from the parameters of the last call.
    momentum : float, default=0.9
        Of 'sgd', in [0, 1].
    nesterovs_momentum : bool, default=True
        Nesterov's instead of classical momentum.
    early_stopping : bool, default=False
        End by the score on rows set aside, and keep the parameters of the best one.
    validation_fraction : float, default=0.1
        Fraction of the rows set aside for early stopping.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of Adam's moments.
    epsilon : float, default=1e-8
        Adam's, outside of the bias correction.
    n_iter_no_change : int, default=10
        More epochs than this without improvement end the run.
    max_fun : int, default=15000
        At most so many evaluations of the loss by 'lbfgs'.
    class_weight : dict, list of dicts, 'balanced' or None, default=None
        Weights of the classes in the loss, times those of the rows; the validation score is without
        them, and ``partial_fit`` refuses 'balanced'. Not in scikit-learn.
    loss : {'log_loss', 'one_vs_rest'}, default='log_loss'
        With more than two classes, 'one_vs_rest' trains a logistic output for each class, against
        all others, and minimises the sum of their log losses; probabilities are scaled to the sum
        of 1. Not in scikit-learn.
    metrics : list, default=None
        Names of ``descend.metrics()``, or functions of the network's raw outputs and the targets,
        to take on the validation rows after each epoch: see ``history_``. ``partial_fit`` takes
        none. Not in scikit-learn.
    callbacks : list, default=None
        ``descend.Callback`` objects, or functions of (trainer, report), called at the beginning of
        each call of ``fit`` and ``partial_fit``, after its epochs, where ``False`` ends it, and at
        its end, with the `descend.Trainer` at work; none after steps. A learning rate that one sets
        stays. ``clone`` copies them. Not in scikit-learn.
    clip_norm, clip_value : float, default=None
        Clip the gradient of each step by 'sgd' and 'adam', the penalty's included, to a norm, or
        its elements to a magnitude: see `descend.Trainer`. Not in scikit-learn.
    average_decay : float, default=None
        Predict and score, also for early stopping, with a moving average of the parameters of 'sgd'
        and 'adam': see `descend.Trainer`. ``coefs_`` and ``intercepts_`` are the average, losses
        those of the parameters behind it, which ``partial_fit`` goes on training; a warm start
        begins at the average. Not in scikit-learn.
    label_smoothing : float, default=0.0
        Draw the targets of 'sgd' and 'adam' towards equal probabilities of all classes, by this
        share: see `descend.Trainer`. The losses are with it, those of validation rows without. Not
        in scikit-learn.
    dropout : float, default=0.0
        Fraction of each hidden layer's outputs that is dropped while training, with 'sgd' and
        'adam'; not in scikit-learn.
    threads : int or None, default=None
        At most so many; by default as many as the work is worth. The result is the same, bit for
        bit; not in scikit-learn.
    device : {"cpu", "cuda"}, default="cpu"
        What the epochs of 'sgd' and 'adam' run on, to the same bits: ``docs/cuda.md``; not in
        scikit-learn.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    coefs_, intercepts_ : list of ndarray
        Weights (inputs, units) and bias (units,) of each layer, of the dtype of ``X``.
    loss_, loss_curve_ : float, list of float
        The loss of the last epoch, and of each.
    best_loss_ : float or None
        The lowest training loss; None with early stopping.
    validation_scores_, best_validation_score_ : list of float, float; or None
        Accuracy on the validation rows after each epoch, and the best one; None without any.
    history_ : descend.History
        Of the last call, by 'sgd' and 'adam': losses, also on the validation rows (without the
        penalty), metrics on these, learning rates, why it ended; ``history_.plot()`` draws it. Not
        in scikit-learn.
    n_iter_, t_ : int
        Epochs or iterations of the last call; rows seen since the first.
    n_features_in_, n_outputs_, n_layers_ : int
    feature_names_in_ : ndarray of str
        Where ``X`` had names.
    out_activation_ : str

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from descend.sklearn import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> MLPClassifier(max_iter=30, random_state=0).fit(X[:1200], y[:1200]).predict(X[-5:])
    array([9, 0, 8, 9, 8])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ClassLabels._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "loss": [StrOptions({"log_loss", "one_vs_rest"})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str | list[str] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | ds.LearningRate | Callable[[int], float] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        loss: str = "log_loss",
        metrics: list[str | Callable[[Array, Array], float]] | None = None,
        callbacks: list[Any] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        average_decay: float | None = None,
        label_smoothing: float = 0.0,
        dropout: float = 0.0,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.loss = loss
        self.metrics = metrics
        self.callbacks = callbacks
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.average_decay = average_decay
        self.label_smoothing = label_smoothing
        self.dropout = dropout
        self.threads = threads
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None
    ) -> MLPClassifier:
        """Fit to ``X`` and ``y``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        eval_set : (X, y), optional
            Rows whose score is taken after each epoch, into ``validation_scores_``. With
            ``early_stopping`` they stand in for a part of ``X``, which is then used whole. Not
            with 'lbfgs'; not in scikit-learn.

        Returns
        -------
        self
        """
        fitted: MLPClassifier = self._fit(X, y, sample_weight, eval_set)
        return fitted

    @available_if(lambda self: self._is_stochastic())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Go through the rows given once, from where the last call ended.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array of shape (n_classes,), optional
            Every class that any call will bring; needed in the first call.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        fitted: MLPClassifier = self._fit(X, y, sample_weight, incremental=True)
        return fitted

    def predict(self, X: Any) -> Array:
        """Predict the class, or the labels, of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        check_is_fitted(self)
        return self._labels(self._predicted(X))

    def predict_proba(self, X: Any) -> Array:
        """Predict the probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        outputs = self._predicted(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of ``predict_proba``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        probabilities = self.predict_proba(X)
        logarithms: Array = np.log(probabilities, out=probabilities)
        return logarithms

    def _loss_options(self) -> dict[str, Any]:
        return {"label_smoothing": self.label_smoothing}

    def _loss_weight(self, y: Any, sample_weight: Array | None, incremental: bool) -> Any:
        if self.class_weight is None:
            return sample_weight
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which does not see "
                "all rows; give a dict of weights."
            )
        of_classes = compute_sample_weight(self.class_weight, y)
        return of_classes if sample_weight is None else of_classes * sample_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
