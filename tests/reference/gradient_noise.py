"""The noise of a gradient, from the gradient of each row."""

import numpy as np


def row_gradients(network, x, y, loss, sample_weight=None):
    """Return w_i / mean(w) dL_i / d theta, for each layer (rows, its weights and bias)."""
    weights = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    rows = [network.loss_and_gradient(x[[i]], y[[i]], loss)[1] for i in range(len(x))]
    layers = zip(*rows, strict=True)
    return [
        (weights / weights.mean())[:, None]
        * np.stack([np.concatenate([d_w.ravel(), d_b]) for d_w, d_b in layer])
        for layer in layers
    ]


def moments(gradients):
    """Return tr Sigma and |G|^2, both unbiased, from (rows, parameters)."""
    variance = gradients.var(axis=0, ddof=1).sum()
    mean = gradients.mean(axis=0)
    return variance, mean @ mean - variance / len(gradients)
