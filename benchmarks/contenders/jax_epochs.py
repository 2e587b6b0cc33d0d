"""JAX: the whole epoch is one compiled call, a scan over minibatches, with optax."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from contenders import Epoch
from tasks import LEARNING_RATE, Task

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "gelu": partial(jax.nn.gelu, approximate=False),
}
OPTIMIZERS = {"adam": optax.adam, "rmsprop": optax.rmsprop, "sgd": optax.sgd}


def make_epoch(task: Task, X: NDArray[np.float32], y: NDArray[np.int64], threads: int) -> Epoch:
    """Return one epoch; the number of threads is set from outside."""
    rng = np.random.default_rng(1)
    optimizer = OPTIMIZERS[task.optimizer](LEARNING_RATE)
    activate = ACTIVATIONS[task.activation]
    parameters = [
        (
            jnp.asarray(rng.standard_normal((inputs, units)) * np.sqrt(2 / inputs), jnp.float32),
            jnp.zeros(units, jnp.float32),
        )
        for inputs, units in task.layers
    ]
    state = optimizer.init(parameters)
    inputs, labels = jnp.asarray(X), jnp.asarray(y, jnp.int32)

    def loss_of(parameters, x, targets):
        for weights, bias in parameters[:-1]:
            x = activate(x @ weights + bias)
        weights, bias = parameters[-1]
        logits = x @ weights + bias
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

    @partial(jax.jit, donate_argnums=(0, 1))
    def run(parameters, state, inputs, labels, order):
        def step(carry, rows):
            parameters, state = carry
            loss, gradient = jax.value_and_grad(loss_of)(parameters, inputs[rows], labels[rows])
            changes, state = optimizer.update(gradient, state, parameters)
            return (optax.apply_updates(parameters, changes), state), loss

        carry, losses = jax.lax.scan(step, (parameters, state), order)
        return *carry, losses.mean()

    def epoch() -> float:
        nonlocal parameters, state
        # NumPy's permutation is several times faster than jax.random's on a processor.
        order = rng.permutation(len(X)).astype(np.int32).reshape(task.steps, task.batch_size)
        parameters, state, loss = run(parameters, state, inputs, labels, order)
        return float(loss)

    return epoch
