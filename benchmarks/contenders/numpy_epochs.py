"""NumPy by hand: what one writes without a library, with the arrays of a step kept and reused."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from contenders import Epoch, UnsupportedError
from tasks import LEARNING_RATE, Task

Array = NDArray[np.float32]
Update = Callable[[], None]

# f(z) into `out`, and d_z from d_a and a, in place.
ACTIVATIONS: dict[str, tuple[Callable[..., Array], Callable[[Array, Array], Array]]] = {
    "relu": (
        lambda z, out: np.maximum(z, 0, out=out),
        lambda d, a: np.multiply(d, a > 0, out=d),
    ),
    "tanh": (
        lambda z, out: np.tanh(z, out=out),
        lambda d, a: np.multiply(d, 1 - a * a, out=d),
    ),
}


def make_epoch(task: Task, X: Array, y: NDArray[np.int64], threads: int) -> Epoch:
    """Return one epoch of a loop over minibatches."""
    if task.activation not in ACTIVATIONS:
        raise UnsupportedError(f"NumPy has no {task.activation}.")
    activate, backpropagate = ACTIVATIONS[task.activation]
    rng = np.random.default_rng(1)
    # All weights and biases are one vector, so that the update is a few calls for all of them.
    theta, gradient = (np.zeros(task.parameters, np.float32) for _ in range(2))
    weights, biases = _views(task, theta)
    d_weights, d_biases = _views(task, gradient)
    for w in weights:
        w[:] = rng.standard_normal(w.shape) * np.sqrt(2 / len(w))
    update = UPDATES[task.optimizer](theta, gradient)
    a = [np.empty((task.batch_size, units), np.float32) for units in task.sizes]
    each_row = np.arange(task.batch_size)

    def step(rows: NDArray[np.int64]) -> float:
        np.take(X, rows, axis=0, out=a[0])
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = np.matmul(a[layer], w, out=a[layer + 1])
            z += b
            if layer + 1 < len(weights):
                activate(z, z)
        logits, labels = a[-1], y[rows]
        logits -= logits.max(axis=1, keepdims=True)
        of_label = logits[each_row, labels]
        d = np.exp(logits, out=logits)
        total = d.sum(axis=1, keepdims=True)
        loss = float(np.log(total).mean() - of_label.mean())
        d /= total
        d[each_row, labels] -= 1
        d /= len(rows)
        for layer in reversed(range(len(weights))):
            np.matmul(a[layer].T, d, out=d_weights[layer])
            d.sum(axis=0, out=d_biases[layer])
            if layer > 0:
                d = backpropagate(d @ weights[layer].T, a[layer])
        update()
        return loss

    def epoch() -> float:
        order = rng.permutation(len(X)).reshape(task.steps, task.batch_size)
        return sum(map(step, order)) / task.steps

    return epoch


def _views(task: Task, vector: Array) -> tuple[list[Array], list[Array]]:
    """Weights and biases of each layer in one vector."""
    weights, biases, begin = [], [], 0
    for inputs, units in task.layers:
        weights.append(vector[begin : begin + inputs * units].reshape(inputs, units))
        begin += inputs * units
        biases.append(vector[begin : begin + units])
        begin += units
    return weights, biases


def _sgd(theta: Array, gradient: Array) -> Update:
    scratch = np.empty_like(theta)

    def update() -> None:
        np.multiply(gradient, np.float32(LEARNING_RATE), out=scratch)
        np.subtract(theta, scratch, out=theta)

    return update


def _rmsprop(theta: Array, gradient: Array, rho: float = 0.9, epsilon: float = 1e-8) -> Update:
    squares, scratch = np.zeros_like(theta), np.empty_like(theta)

    def update() -> None:
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, np.float32(1 - rho), out=scratch)
        np.multiply(squares, np.float32(rho), out=squares)
        np.add(squares, scratch, out=squares)
        np.sqrt(squares, out=scratch)
        np.add(scratch, np.float32(epsilon), out=scratch)
        np.divide(gradient, scratch, out=scratch)
        np.multiply(scratch, np.float32(LEARNING_RATE), out=scratch)
        np.subtract(theta, scratch, out=theta)

    return update


def _adam(
    theta: Array,
    gradient: Array,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> Update:
    m, v, scratch = np.zeros_like(theta), np.zeros_like(theta), np.empty_like(theta)
    t = 0

    def update() -> None:
        nonlocal t
        t += 1
        np.multiply(m, np.float32(beta1), out=m)
        np.multiply(gradient, np.float32(1 - beta1), out=scratch)
        np.add(m, scratch, out=m)
        np.multiply(v, np.float32(beta2), out=v)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, np.float32(1 - beta2), out=scratch)
        np.add(v, scratch, out=v)
        np.sqrt(v, out=scratch)
        np.multiply(scratch, np.float32((1 - beta2**t) ** -0.5), out=scratch)
        np.add(scratch, np.float32(epsilon), out=scratch)
        np.divide(m, scratch, out=scratch)
        np.multiply(scratch, np.float32(LEARNING_RATE / (1 - beta1**t)), out=scratch)
        np.subtract(theta, scratch, out=theta)

    return update


UPDATES: dict[str, Callable[[Array, Array], Update]] = {
    "adam": _adam,
    "rmsprop": _rmsprop,
    "sgd": _sgd,
}
