"""The callbacks of one run: when each is called, and what of them a trainer's file holds."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.callbacks.callback import Callback, LambdaCallback, count_or_none
from descend.progress import EpochReport, StepReport

if TYPE_CHECKING:
    from descend.history import History
    from descend.trainer import Trainer

__all__ = ["Calls"]

_ARRAY = "__array__"


class Calls:
    """The callbacks of a run of ``trainer``, in the order in which they are called."""

    def __init__(self, trainer: Trainer, callbacks: Iterable[Any]) -> None:
        self._trainer = trainer
        self.thread = 0
        if not isinstance(callbacks, Iterable):
            raise TypeError(f"Trainer.fit: callbacks must be a list of them, got {callbacks!r}.")
        self._callbacks = sorted(map(_callback, callbacks), key=lambda each: each.comes_last)
        every = [
            count_or_none(type(each).__name__, "every_n_steps", each.every_n_steps)
            for each in self._callbacks
        ]
        self._by_step = [(n, each) for n, each in zip(every, self._callbacks, strict=True) if n]
        #: The steps at which some of them are due are multiples of this; 0: none.
        self.every_n_steps = math.gcd(*(n for n, _ in self._by_step))

    @property
    def is_empty(self) -> bool:
        """Whether nobody is called."""
        return not self._callbacks

    def begin(self) -> None:
        self._trainer._calls = self
        self.thread = get_ident()
        states = read_states(*self._trainer._extra()) if self._trainer.unfinished_run else {}
        for callback in self._callbacks:
            callback.on_train_begin(self._trainer)
            saved = states.get(_name(callback))
            if saved:
                callback.set_state(saved.pop(0))

    def step(self, report: dict[str, Any]) -> bool:
        step = StepReport(**report)
        return self._all(
            each.on_step_end(self._trainer, step) for n, each in self._by_step if step.step % n == 0
        )

    def epoch(self, report: dict[str, Any]) -> bool:
        epoch = EpochReport(**report)
        return self._all(each.on_epoch_end(self._trainer, epoch) for each in self._callbacks)

    def epoch_behind(
        self, show: Callable[[dict[str, Any]], bool] | None
    ) -> Callable[[dict[str, Any]], bool]:
        """Return what calls ``show`` before the callbacks."""
        if show is None:
            return self.epoch

        def both(report: dict[str, Any]) -> bool:
            goes_on = show(report)
            if not goes_on:
                self._trainer._end_run()
            return self.epoch(report) and goes_on

        return both

    def _all(self, results: Iterable[object]) -> bool:
        goes_on = True
        for result in results:
            if isinstance(result, bool | np.bool_) and not result:
                goes_on = False
                self._trainer._end_run()  # so that a callback behind it saves a run that has ended
        return goes_on

    def end(self, history: History) -> None:
        for callback in self._callbacks:
            callback.on_train_end(self._trainer, history)

    def close(self) -> None:
        with ExitStack() as stack:  # one that fails keeps none from being closed
            for callback in reversed(self._callbacks):
                stack.callback(callback.close)

    def states(self) -> tuple[str, dict[str, np.ndarray[Any, Any]]]:
        """Return the callbacks' states as JSON, and the arrays in them by name."""
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        states = []
        for callback in self._callbacks:
            state = callback.get_state()
            if state:
                name = _name(callback)
                states.append({"name": name, "state": _without_arrays(name, state, arrays)})
        return json.dumps(states) if states else "", arrays


def read_states(text: str, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, list[Any]]:
    """Return what ``Calls.states`` gave: the states of each class of callbacks, in order."""
    states: dict[str, list[Any]] = defaultdict(list)
    for each in json.loads(text) if text else []:
        states[each["name"]].append(_with_arrays(each["state"], arrays))
    return states


def _callback(given: Any) -> Callback:
    if isinstance(given, Callback):
        return given
    if callable(given) and not isinstance(given, type):
        function: Callable[[Any, Any], object] = given
        return LambdaCallback(on_epoch_end=function)
    raise TypeError(
        "Trainer.fit: callbacks must be descend.Callback objects or functions of "
        f"(trainer, report), got {given!r}."
    )


def _name(callback: Callback) -> str:
    return f"{type(callback).__module__}.{type(callback).__qualname__}"


def _without_arrays(name: str, value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return the value with its arrays moved into ``arrays``, each replaced by its name."""
    if isinstance(value, dict):
        if value.keys() == {_ARRAY} or not all(isinstance(key, str) for key in value):
            raise TypeError(
                f"Trainer.save: the state of {name} has a dict of the keys {list(value)}; expected "
                f"strings, and not {_ARRAY!r} alone, which stands for an array."
            )
        return {key: _without_arrays(name, each, arrays) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(name, each, arrays) for each in value]
    if isinstance(value, np.ndarray):
        if value.dtype not in (np.float32, np.float64) or value.size == 0:
            raise TypeError(
                f"Trainer.save: the state of {name} has an array of {value.dtype} and shape "
                f"{value.shape}; expected float32 or float64 and no length of 0, or lists."
            )
        key = str(len(arrays))
        arrays[key] = np.ascontiguousarray(value).reshape(value.shape)
        return {_ARRAY: key}
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, str | int | float | bool | None):
        raise TypeError(
            f"Trainer.save: the state of {name} has a {type(value).__name__}, which JSON has not."
        )
    return value


def _with_arrays(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            if str(value[_ARRAY]) not in arrays:
                raise ValueError(
                    f"Trainer.fit: the file has no array {value[_ARRAY]!r} of a state."
                )
            return arrays[value[_ARRAY]]
        return {key: _with_arrays(each, arrays) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_arrays(each, arrays) for each in value]
    return value
