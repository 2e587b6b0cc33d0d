"""Metrics of raw outputs, from their definitions alone.

f (rows, outputs)   y (rows, outputs), or class indices (rows)   w (rows)   c a class
Each metric is a function of (loss, f, y, w) and, for top_k_accuracy, k.
"""

import numpy as np

from reference.losses import as_rows


def _questions(loss, f, y):
    """Yield the classes of the rows and what they are decided for, of each question."""
    y = as_rows(loss, y, f.shape[1])
    if loss == "sigmoid_cross_entropy":
        for j in range(f.shape[1]):
            yield (y[:, j] > 0.5).astype(int), (f[:, j] > 0).astype(int), [1]
    else:
        of, decided = y.argmax(axis=1), f.argmax(axis=1)
        yield of, decided, sorted({*of, *decided})


def _mean_over_classes(score, loss, f, y, w):
    """Average score(weight of c, decided for c, both) over classes, then over questions."""
    scores = []
    for of, decided, classes in _questions(loss, f, y):
        weights = [
            (w[of == c].sum(), w[decided == c].sum(), w[(of == c) & (decided == c)].sum())
            for c in classes
        ]
        scores.append(np.mean([score(*parts) for parts in weights]))
    return np.mean(scores)


def _quotient(a, b):
    return a / b if b > 0 else 0.0


def accuracy(loss, f, y, w):
    return np.mean([w[of == decided].sum() / w.sum() for of, decided, _ in _questions(loss, f, y)])


def balanced_accuracy(loss, f, y, w):
    scores = []
    for of, decided, _ in _questions(loss, f, y):
        scores.append(
            np.mean([w[(of == c) & (decided == c)].sum() / w[of == c].sum() for c in set(of)])
        )
    return np.mean(scores)


def precision(loss, f, y, w):
    return _mean_over_classes(lambda of, decided, both: _quotient(both, decided), loss, f, y, w)


def recall(loss, f, y, w):
    return _mean_over_classes(lambda of, decided, both: _quotient(both, of), loss, f, y, w)


def f1(loss, f, y, w):
    return _mean_over_classes(
        lambda of, decided, both: _quotient(2 * both, of + decided), loss, f, y, w
    )


def mean_prediction(loss, f):
    """Return the mean of the distribution that the outputs stand for."""
    if loss == "poisson":
        return np.exp(f)
    if loss == "sigmoid_cross_entropy":
        return 1 / (1 + np.exp(-f))
    if loss == "softmax_cross_entropy":
        exp = np.exp(f - f.max(axis=1, keepdims=True))
        return exp / exp.sum(axis=1, keepdims=True)
    return f


def roc_auc(loss, f, y, w):
    scores = f if loss == "sigmoid_cross_entropy" else mean_prediction(loss, f)
    y = as_rows(loss, y, f.shape[1])
    if loss == "softmax_cross_entropy":
        y = np.eye(f.shape[1])[y.argmax(axis=1)]
    areas = []
    for j in range(f.shape[1]):
        of = y[:, j] > 0.5
        if of.all() or not of.any():
            continue
        above = np.sign(scores[of, j][:, None] - scores[~of, j]) / 2 + 0.5
        pairs = w[of][:, None] * w[~of]
        areas.append((pairs * above).sum() / pairs.sum())
    return np.mean(areas) if areas else np.nan


def top_k_accuracy(loss, f, y, w, k):
    of = as_rows(loss, y, f.shape[1]).argmax(axis=1)
    best = np.argsort(-f, axis=1, kind="stable")[:, :k]
    return w[(best == of[:, None]).any(axis=1)].sum() / w.sum()


def _errors(loss, f, y):
    return mean_prediction(loss, f) - as_rows(loss, y, f.shape[1])


def mean_absolute_error(loss, f, y, w):
    return np.average(np.abs(_errors(loss, f, y)), axis=0, weights=w).mean()


def mean_squared_error(loss, f, y, w):
    return np.average(_errors(loss, f, y) ** 2, axis=0, weights=w).mean()


def root_mean_squared_error(loss, f, y, w):
    return np.sqrt(np.average(_errors(loss, f, y) ** 2, axis=0, weights=w)).mean()


def r2(loss, f, y, w):
    if len(f) < 2:
        return np.nan
    squares = w @ _errors(loss, f, y) ** 2
    y = as_rows(loss, y, f.shape[1])
    spread = w @ (y - np.average(y, axis=0, weights=w)) ** 2
    equal = (y == y[0]).all(axis=0)
    right = np.where(squares == 0, 1.0, 0.0)
    return np.where(equal, right, 1 - squares / np.where(equal, 1, spread)).mean()


METRICS = {
    function.__name__: function
    for function in (
        accuracy,
        balanced_accuracy,
        precision,
        recall,
        f1,
        roc_auc,
        top_k_accuracy,
        mean_absolute_error,
        mean_squared_error,
        root_mean_squared_error,
        r2,
    )
}


def metric(name, loss, f, y, sample_weight=None):
    """Return the metric of a name such as ``top_3_accuracy``; rows of weight 0 do not count."""
    f = np.asarray(f, np.float64)
    w = np.ones(len(f)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    f, y, w = f[w > 0], np.asarray(y)[w > 0], w[w > 0]
    if name.startswith("top_"):
        return float(top_k_accuracy(loss, f, y, w, int(name.split("_")[1])))
    return float(METRICS[name](loss, f, y, w))
