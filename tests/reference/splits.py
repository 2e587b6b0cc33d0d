"""Rows for training and testing: a permutation, of which each class gives its share."""

from fractions import Fraction

from reference.philox import SPLIT, Stream
from reference.shuffle import shuffled


def _order(rows, seed):
    return shuffled(rows, Stream(seed, 0, SPLIT))


def train_test_rows(rows, test_rows, seed, classes=None):
    classes = [0] * rows if classes is None else [int(c) for c in classes]
    names = sorted(set(classes))
    exact = {c: Fraction(test_rows * classes.count(c), rows) for c in names}
    left = {c: int(exact[c]) for c in names}
    # Python's sort is stable: of equal remainders the lower class comes first.
    by_remainder = sorted(names, key=lambda c: left[c] - exact[c])
    for c in by_remainder[: test_rows - sum(left.values())]:
        left[c] += 1
    train, test = [], []
    for row in _order(rows, seed):
        if left[classes[row]] > 0:
            left[classes[row]] -= 1
            test.append(row)
        else:
            train.append(row)
    return train, test


def fold_rows(rows, folds, seed, classes=None):
    order = _order(rows, seed)
    dealt = order if classes is None else sorted(order, key=lambda row: classes[row])
    fold = {row: place % folds for place, row in enumerate(dealt)}
    return [
        ([row for row in order if fold[row] != f], [row for row in order if fold[row] == f])
        for f in range(folds)
    ]
