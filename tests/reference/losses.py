"""Losses L(f, y) of each row and dL/df; the training loss J over rows with weights.

f (rows, outputs)   y (rows, outputs), or class indices (rows)   L (rows)
J = sum_i w_i L_i / sum_i w_i
"""

import numpy as np


def squared_error(f, y):
    return 0.5 * ((f - y) ** 2).sum(axis=1), f - y


def absolute_error(f, y):
    return np.abs(f - y).sum(axis=1), np.sign(f - y)


def huber(f, y):
    d = f - y
    inside = np.abs(d) <= 1
    return np.where(inside, 0.5 * d**2, np.abs(d) - 0.5).sum(axis=1), np.clip(d, -1, 1)


def softmax_cross_entropy(f, y):
    # Subtract the row maximum first: exp overflows otherwise.
    shifted = f - f.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    log_softmax = shifted - np.log(total)
    return -(y * log_softmax).sum(axis=1), y.sum(axis=1, keepdims=True) * exp / total - y


def sigmoid_cross_entropy(f, y):
    e = np.exp(-np.abs(f))
    sigmoid = np.where(f >= 0, 1, e) / (1 + e)
    return (np.logaddexp(0, f) - y * f).sum(axis=1), sigmoid - y


def poisson(f, y):
    return (np.exp(f) - y * f).sum(axis=1), np.exp(f) - y


LOSSES = {
    function.__name__: function
    for function in (
        squared_error,
        absolute_error,
        huber,
        softmax_cross_entropy,
        sigmoid_cross_entropy,
        poisson,
    )
}


def as_rows(name, targets, outputs):
    """Return ``targets`` as a float64 (rows, outputs) matrix."""
    targets = np.asarray(targets)
    if targets.ndim == 1 and name == "softmax_cross_entropy":
        return np.eye(outputs)[targets.astype(np.int64)]
    return targets.reshape(len(targets), outputs).astype(np.float64)


def loss_and_gradient(name, f, targets, sample_weight=None):
    """Return J and dJ/df."""
    f = np.asarray(f, np.float64)
    w = np.ones(len(f)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    losses, d_f = LOSSES[name](f, as_rows(name, targets, f.shape[1]))
    w = w / w.sum()
    return float(w @ losses), w[:, None] * d_f


def rows_weights(targets, sample_weight=None, class_weight=None):
    """Return the rows' weights, times those of their classes: a weight a class, or "balanced"."""
    weights = np.ones(len(targets)) if sample_weight is None else np.asarray(sample_weight)
    if class_weight is None:
        return weights
    classes = np.asarray(targets).reshape(-1).astype(int)
    if isinstance(class_weight, str):
        counts = np.bincount(classes)
        occurring = np.count_nonzero(counts)
        class_weight = len(classes) / (occurring * np.maximum(counts, 1))
    return weights * np.asarray(class_weight)[classes]


def smoothed(name, targets, outputs, e):
    """Return the targets drawn towards equal probabilities."""
    if e == 0:
        return targets
    choices = outputs if name == "softmax_cross_entropy" else 2
    return (1 - e) * as_rows(name, targets, outputs) + e / choices
