"""Philox4x32-10, a generator that is a function of a counter (Salmon et al., 2011).

counter: four 32-bit words; key: two; result: four words
the key of a seed is its low word, then its high word
"""

import numpy as np

_MASK = 0xFFFFFFFF
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10

# The fourth word of the counter says what a stream is for.
SHUFFLE = 1 << 24
WEIGHTS = 2 << 24
EPOCH_DROPOUT = 3 << 24
STEP_DROPOUT = 4 << 24
SPLIT = 5 << 24


def philox4x32(counter, key):
    """Return the (..., 4) words of ``counter`` (..., 4) under ``key`` (2)."""
    c = [np.asarray(word, np.uint64) for word in np.moveaxis(np.asarray(counter), -1, 0)]
    k = [int(word) for word in key]
    mask, half = np.uint64(_MASK), np.uint64(32)
    for _ in range(_ROUNDS):
        p0 = c[0] * np.uint64(_MULTIPLIERS[0])
        p1 = c[2] * np.uint64(_MULTIPLIERS[1])
        c = [
            (p1 >> half) ^ c[1] ^ np.uint64(k[0]),
            p1 & mask,
            (p0 >> half) ^ c[3] ^ np.uint64(k[1]),
            p0 & mask,
        ]
        k = [(word + step) & _MASK for word, step in zip(k, _WEYL, strict=True)]
    return np.stack(c, axis=-1).astype(np.uint32)


def key_of(seed):
    return seed & _MASK, seed >> 32


class Stream:
    """The words of counters (block low, block high, third, fourth), block after block."""

    def __init__(self, seed, third, fourth):
        self._key = key_of(seed)
        self._third = third
        self._fourth = fourth
        self._block = 0
        self._words = np.empty(0, np.uint32)

    def take(self, count):
        """Return the next ``count`` words."""
        missing = count - self._words.size
        if missing > 0:
            blocks = self._block + np.arange(-(-missing // 4), dtype=np.uint64)
            self._block += blocks.size
            counter = np.empty((blocks.size, 4), np.uint64)
            counter[:, 0] = blocks & np.uint64(_MASK)
            counter[:, 1] = blocks >> np.uint64(32)
            counter[:, 2] = self._third
            counter[:, 3] = self._fourth
            fresh = philox4x32(counter, self._key).ravel()
            self._words = np.concatenate([self._words, fresh])
        taken, self._words = self._words[:count], self._words[count:]
        return taken

    def uniforms(self, count):
        """Return ``count`` doubles in [0, 1), each of two words, the low word first."""
        low, high = self.take(2 * count).astype(np.uint64).reshape(count, 2).T
        return ((high << np.uint64(32) | low) >> np.uint64(11)) * 2.0**-53
