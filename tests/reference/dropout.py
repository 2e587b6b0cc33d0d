"""Inverted dropout: each element is dropped by a word of its own, whatever the minibatch."""

import math

import numpy as np

from reference.philox import key_of, philox4x32


def mask(rate, rows, columns, seed, third, fourth, dtype=np.float64):
    """Return the factors (len(rows), columns): 0 where dropped, else 1 / (1 - rate).

    ``third`` is the epoch, or the steps done before a single step; ``fourth`` names the purpose
    and the layer: 0 the input, l + 1 the output of dense layer l.
    """
    blocks = -(-columns // 4)
    counter = np.empty((len(rows), blocks, 4), np.uint64)
    counter[..., 0] = np.arange(blocks)
    counter[..., 1] = np.asarray(rows)[:, None]
    counter[..., 2] = third
    counter[..., 3] = fourth
    words = philox4x32(counter, key_of(seed)).reshape(len(rows), 4 * blocks)[:, :columns]
    dropped = words < math.floor(rate * 2**32)
    return np.where(dropped, 0.0, dtype(1 / (1 - rate)))
