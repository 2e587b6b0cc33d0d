"""Training: what one run is asked for, in Python words; the loop itself is in the core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from inspect import signature
from numbers import Integral
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from descend import _core, html
from descend.batches import Batches, batches_of
from descend.callbacks.calls import Calls
from descend.history import History
from descend.network import Network
from descend.progress import EpochReport, Progress, watching
from descend.stop import Stop

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from descend.callbacks import Callback
    from descend.sparse import SparseMatrix

    #: A metric of the caller's own, of raw outputs and targets.
    Metric = Callable[[NDArray[Any], NDArray[Any]], float]

__all__ = ["Optimizer", "Trainer"]

Optimizer = (
    _core.SGD
    | _core.AdaGrad
    | _core.RMSProp
    | _core.Adam
    | _core.AdamW
    | _core.AdaDelta
    | _core.AMSGrad
    | _core.Adamax
    | _core.NAdam
    | _core.Lion
)


class Trainer(_core.Trainer):
    """Trains a network in place by gradient descent.

    Parameters
    ----------
    network : Network
        Trained in place.
    loss : str
        One of ``descend.losses()``.
    optimizer : SGD, Adam or another of ``descend.optimizers()``, optional
        ``Adam()`` by default. Its state lives as long as the trainer, and so do the steps that
        its learning rate counts.
    batch_size : int or None
        Rows of a minibatch; ``None`` takes all of them: batch gradient descent.
    shuffle : bool
        Visit the rows in a new random order each epoch.
    seed : int
        Key of the shuffle and of the dropout masks.
    threads : int, optional
        At most so many; by default as many as the work is worth. The result is the same, bit
        for bit.
    l2, l1 : float
        The loss of a step, which is minimised and reported, is J plus a penalty on the weights W
        of all layers, ``l2 / 2 * sum(W**2) + l1 * sum(abs(W))``; biases are left out. The
        validation loss is without it.
    divide_penalty : bool
        Divide the penalty by the number of rows in the minibatch, or by their sum of weights, as
        scikit-learn does with its ``alpha``.
    clip_value : float, optional
        Clip each element of a step's gradient, the penalty's included, to
        ``[-clip_value, clip_value]``.
    clip_norm : float, optional
        Multiply a step's gradient, the penalty's included and by value clipped first, by
        ``min(1, clip_norm / norm)``, where ``norm`` is that of all layers' gradients together:
        PyTorch's ``clip_grad_norm_`` but for the 1e-6 that it adds to the norm, Keras's
        ``global_clipnorm``. Pascanu, Mikolov & Bengio (2013).
    average_decay : float, optional
        Keep a moving average of the parameters, ``average_decay * average + (1 - average_decay) *
        theta`` after each step, for `averaged_network`; 0.999 averages over about 1000 steps. It
        starts at the parameters before the first step and is not corrected for them, as with
        Keras's ``use_ema``: they count by ``average_decay ** steps``.
    class_weight : "balanced", dict or sequence of float, optional
        Multiplies the weight of each row by that of its class: a weight a class, or a dict of some
        classes, the others counting 1. ``"balanced"`` gives a class ``n / (k * n_c)`` where n_c of
        the n rows given to a call of ``fit``, ``run_epoch`` or ``step`` are of that class, and k
        classes occur. For class indices and ``softmax_cross_entropy``, or targets of 0 and 1 and
        ``sigmoid_cross_entropy`` with one output.
    label_smoothing : float
        Draws the targets of ``softmax_cross_entropy`` or ``sigmoid_cross_entropy`` towards equal
        probabilities: ``(1 - e) * y + e / K`` with K classes, or ``e / 2`` of a sigmoid; PyTorch's
        ``CrossEntropyLoss(label_smoothing=e)``. Szegedy et al. (2016). The validation loss, which
        measures the network, is without it and without ``class_weight``.
    track_gradient_noise : bool
        Record the noise scale of the gradient, epoch by epoch, in ``History.noise_scale``. Every
        eighth step is then measured, or more where an epoch has few; the training stays the same,
        bit for bit. Needs minibatches of at least 2 rows.
    device : {"cpu", "cuda"}
        What the steps run on, which changes no bit of what they give. On a GPU a call copies its
        data there once; the network has the new parameters when the call ends, and when a callback
        looks. ``docs/cuda.md`` says what it takes.

    Raises
    ------
    ValueError, TypeError
        If a setting is not possible, or not with this network, loss or build.
    """

    _calls: Calls | None = None  # of the run at work

    def __init__(
        self,
        network: Network,
        loss: str,
        optimizer: Optimizer | None = None,
        batch_size: int | None = 64,
        shuffle: bool = True,
        seed: int = 0,
        threads: int | None = None,
        *,
        l2: float = 0.0,
        l1: float = 0.0,
        divide_penalty: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        average_decay: float | None = None,
        class_weight: str | Mapping[int, float] | ArrayLike | None = None,
        label_smoothing: float = 0.0,
        track_gradient_noise: bool = False,
        device: str = "cpu",
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"Trainer: network must be a descend.Network, got {network!r}.")
        if optimizer is None:
            optimizer = _core.Adam()
        super().__init__(
            network,
            loss,
            optimizer,
            batch_size,
            shuffle,
            seed,
            threads,
            l2,
            l1,
            divide_penalty,
            clip_norm,
            clip_value,
            average_decay,
            class_weight,
            label_smoothing,
            track_gradient_noise,
            device,
        )
        self._network = network

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        threads: int | None = None,
        *,
        learning_rate: float | _core.LearningRate | Callable[[int], float] | None = None,
        device: str = "cpu",
    ) -> Trainer:
        """Read a trainer, its network included, from a file that ``save`` wrote.

        It goes on to the same bits as the one that was saved, on any machine. Where that one was
        within a run of ``fit``, the next ``fit`` with the same data goes on with it: see there.

        Parameters
        ----------
        path : str or path
        threads : int, optional
            As for `Trainer`.
        learning_rate : float, LearningRate or callable, optional
            In place of the file's; a callable does not stand in it and is given here again.
        device : {"cpu", "cuda"}
            As for `Trainer`; a file does not hold it.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is cut, damaged, does not hold a trainer, or is of a later version of descend; or
            if its learning rate is a callable and none is given.
        """
        trainer = cls.__new__(cls)
        _core.Trainer.__init__(trainer, path, threads, learning_rate, device)
        trainer._network = Network.__new__(Network)
        _core.Network.__init__(trainer._network, trainer)
        return trainer

    @property
    def network(self) -> Network:
        """The network trained."""
        return self._network

    @property
    def averaged_network(self) -> Network:
        """A new network of the averaged parameters; before the first step, of the parameters.

        Parameters that are set, or restored by ``patience``, are averaged from the next step on.

        Raises
        ------
        ValueError
            If no average is kept: give ``Trainer`` an ``average_decay``.
        """
        network = Network.__new__(Network)
        _core.Network.__init__(network, self._averaged_network())
        return network

    @property
    def unfinished_run(self) -> History | None:
        """The history so far of the run that ``fit`` goes on with, or is at work on.

        Its ``stop_reason`` is ``"interrupted"`` unless a stopping condition has been met.
        """
        record = self._unfinished_run
        return None if record is None else History(**record)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
        return f"Trainer({self._network!r}, {settings})"

    def _repr_html_(self) -> str:
        layers = " → ".join(str(layer) for layer in (self._network.inputs, *self._network.layers))
        rows = [("network", layers), *self._settings().items()]
        done = f"Trainer, {self.epoch} epochs and {self.steps} steps done"
        return html.table(done, [], rows)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "Trainer: a trainer cannot be copied or pickled; Trainer.save writes all of it to a "
            "file, and Trainer.load reads it."
        )

    def _settings(self) -> dict[str, Any]:
        """Return the constructor's arguments but network and threads; of the last those in use."""
        settings = {}
        for name, argument in signature(Trainer.__init__).parameters.items():
            if name in ("self", "network", "threads"):
                continue
            value = getattr(self, name)
            is_last = argument.kind is argument.KEYWORD_ONLY
            if not is_last or repr(value) != repr(argument.default):
                settings[name] = value
        return settings

    def fit(
        self,
        X: ArrayLike | SparseMatrix | Batches,
        y: ArrayLike | None = None,
        epochs: int = 1,
        *,
        sample_weight: ArrayLike | None = None,
        validation_data: tuple[ArrayLike | SparseMatrix, ArrayLike] | None = None,
        metrics: Sequence[str | Metric] | None = None,
        stop: Stop | None = None,
        progress: bool | Progress | None = None,
        callbacks: Iterable[Callback | Callable[[Trainer, EpochReport], object]] | None = None,
    ) -> History:
        """Train for some epochs, or until a stopping condition is met.

        A second call goes on from where the first one ended, with a new epoch and a history of its
        own. However a call ends, by its end, Ctrl-C or an exception, its run ends with it.

        A trainer that was saved within a run and loaded goes on with that run. Give it the same
        data and conditions, and as ``epochs`` those that are left of the whole number, such as
        ``20 - trainer.epoch`` of 20; the unfinished epoch counts, and goes on from its
        position. Results and the history, which is that of the whole run, are those of a run never
        interrupted, bit for bit. With 0 epochs left, the run is ended as it would have been.
        ``discard_run`` gives it up.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n_rows, n_inputs)
            Real, finite numbers of any type, in memory or a ``numpy.memmap``; never modified.
            Contiguous rows are read where they stand, and converted to the network's dtype
            as they are needed. Arrays of Fortran order or with columns apart, of another byte
            order, or of long double are copied once, as are most data frames; those of pandas,
            polars and pyarrow are taken here and for every other array.

            A sparse matrix of ``scipy.sparse`` gives the results of its dense copy, bit for bit,
            but that copy is never made: products walk its numbers, or where these are many, the
            rows of one minibatch alone stand densely. CSR is read where it stands, and may not have
            two elements in one place (``X.sum_duplicates()`` adds them up); other formats become
            CSR once.

            Without ``y``: minibatches, an iterable of ``(X, y)`` or ``(X, y, sample_weight)``, such
            as a list or a data loader, or a function that returns one. Each epoch iterates anew, so
            that a generator serves one epoch alone. Each batch is one optimizer step, as ``step``
            takes it; ``batch_size`` and ``shuffle`` are not used. ``metrics`` are taken on the
            validation rows alone: those of the training would have to keep the outputs and targets
            of every batch, which are gone when the next one comes. An unfinished epoch skips the
            batches that it has taken, which must come in the same order again.
        y : array_like, optional
            Targets of shape (n_rows, n_outputs), or (n_rows,) where there is one output. For
            ``softmax_cross_entropy`` class indices (n_rows,) or rows of probabilities.
        epochs : int
            Passes over the rows, at least 1; those left of an unfinished run.
        sample_weight : array_like of shape (n_rows,), optional
            Weight of each row in the loss, not negative.
        validation_data : (X, y), optional
            Rows whose loss is measured after each epoch.
        metrics : list of str or callable, optional
            Measured after each epoch, on the rows visited and on the validation rows: names of
            ``descend.metrics()``, such as ``"accuracy"`` or ``"top_3_accuracy"``, and callables
            ``f(outputs, y) -> float`` of the raw outputs (rows, outputs) and the targets (rows,
            outputs) or class indices (rows,). They cost no second pass: a training row's outputs
            are those of its own step, from before the update and with dropout, as the loss is, so
            that they lag behind those of the validation rows. ``sample_weight`` weighs the named
            ones; a callable sees the rows of some weight. The outputs of all rows are kept in the
            network's dtype meanwhile.
        stop : Stop, optional
            Conditions that end the run earlier.
        progress : bool or callable, optional
            ``True`` shows a tqdm bar where tqdm is installed and a line an epoch on standard
            error where it is not. A callable is given an `EpochReport` after each epoch and
            ends the run by returning ``False``.
        callbacks : iterable of Callback, optional
            Called at the run's beginning, after its steps and epochs, and at its end, in this
            order: see `Callback`. A function counts as ``on_epoch_end(trainer, report)``.

        Returns
        -------
        History

        Raises
        ------
        ValueError
            If the data do not fit the network, the loss or the unfinished epoch; nothing is changed
            then. A batch that does not fit, named by its number in the epoch from 0, ends the run,
            which keeps the steps before; so does an exception of the iterator.
        FloatingPointError
            If the loss of a step is NaN or infinite, or its update would overflow. That step is
            not applied: parameters, optimizer state and ``steps`` are those of the step before
            (with ``patience``, the best parameters are restored), and ``epoch`` counts the epoch
            that ended so. An exception of a callback, and Ctrl-C, leave the same; the next call
            begins a new epoch.
        RuntimeError
            If the learning rate's callable raises, from what it raised; a result that is no rate
            is a ``TypeError`` or ``ValueError``. The steps before are done, as above.
        """
        validation_X, validation_y = _pair(validation_data)
        if not isinstance(stop, Stop | None):
            raise TypeError(f"Trainer.fit: stop must be a descend.Stop or None, got {stop!r}.")
        begin = None if y is not None else batches_of(X, sample_weight, epochs)
        watched = self._watched(progress, epochs)
        calls = None if callbacks is None else Calls(self, callbacks)
        with watched as show, _at_work(self, calls):
            asked = {
                "epochs": epochs,
                "validation_X": validation_X,
                "validation_y": validation_y,
                "stop": asdict(stop or Stop()),
                "metrics": metrics,
                "on_begin": calls and calls.begin,
                "on_epoch": calls.epoch_behind(show) if calls else show,
                "on_step": calls.step if calls and calls.every_n_steps else None,
                "every_n_steps": calls.every_n_steps if calls else 0,
            }
            if begin is None:
                record = self._fit(X, y, sample_weight, asked)
            else:
                record = self._fit_batches(begin, asked)
            history = History(**record)
            if calls is not None:
                calls.end(history)
        return history

    def _watched(
        self, progress: bool | Progress | None, epochs: int
    ) -> AbstractContextManager[Callable[[dict[str, Any]], bool] | None]:
        # The core refuses any other number of epochs; a bar over it would be drawn first.
        if not isinstance(epochs, Integral) or epochs <= 0:
            return watching(None, 0)
        run = self.unfinished_run if progress is True else None
        done = None if run is None else len(run.loss)
        return watching(progress, (done or 0) + int(epochs), done)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trainer as it stands to one file, replacing it atomically.

        The file holds parameters, loss, settings, optimizer and its state, ``epoch`` and ``steps``;
        saved by a callback of ``fit``, also the run at work: its history, the best parameters of
        ``patience``, the position within the epoch, the states of its callbacks. `Trainer.load`
        goes on from there to the same bits. It is a safetensors file, of which `Network.load` reads
        the network. ``threads`` and ``last_steps`` are left out.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        OSError
            If the file cannot be written; an earlier file stays as it was.
        RuntimeError
            If the trainer is at work in another thread; save from a callback.
        """
        calls = self._calls
        if calls is not None and calls.thread == get_ident() and self.unfinished_run is not None:
            self._save(path, *calls.states())
        else:
            self._save(path)


@contextmanager
def _at_work(trainer: Trainer, calls: Calls | None) -> Iterator[None]:
    try:
        yield
    finally:
        if calls is not None:
            if trainer._calls is calls:
                trainer._calls = None
            calls.close()


def _pair(
    validation_data: tuple[ArrayLike | SparseMatrix, ArrayLike] | None,
) -> tuple[ArrayLike | SparseMatrix | None, ArrayLike | None]:
    if validation_data is None:
        return None, None
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        raise TypeError(
            "Trainer.fit: validation_data must be a pair (X, y), "
            f"got {type(validation_data).__name__}."
        )
    validation_X, validation_y = validation_data
    if validation_X is None or validation_y is None:
        raise TypeError(
            "Trainer.fit: validation_data must be a pair (X, y) of arrays, got a None in it."
        )
    return validation_X, validation_y
