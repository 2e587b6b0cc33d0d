"""The visiting order of an epoch: Fisher and Yates's shuffle with unbiased bounded draws."""

import numpy as np

from reference.philox import SHUFFLE, Stream


def _bounded(words, m):
    """Draw from 0 .. m - 1 without bias (Lemire, 2019)."""
    product = next(words) * m
    if product % 2**32 < m:
        threshold = (2**32 - m) % m
        while product % 2**32 < threshold:
            product = next(words) * m
    return product >> 32


def _words(stream):
    while True:
        yield from stream.take(4096).tolist()


def shuffled(rows, stream):
    """Return 0 .. rows - 1 in the order that the words of a stream give."""
    words = _words(stream)
    order = list(range(rows))
    for i in range(rows - 1, 0, -1):
        j = _bounded(words, i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def permutation(rows, seed, epoch):
    """Return the order in which ``epoch`` (from 0) visits ``rows`` rows."""
    return np.array(shuffled(rows, Stream(seed, epoch, SHUFFLE)), np.int64)
