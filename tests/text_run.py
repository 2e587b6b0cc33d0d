"""Classifies texts within a limit of memory: ``python text_run.py``.

A corpus of drawn texts, each of words that its topic prefers, goes through scikit-learn's hashing
of words into the classifier. A first fit on a few of them starts what stays; then the process gets
an eighth of the room that the dense matrix of the texts would take.
"""

import resource
import sys

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.pipeline import make_pipeline

from descend.sklearn import MLPClassifier
from memory_run import status

TEXTS, WORDS, TOPICS, COLUMNS = 6000, 40, 5, 2**15
DENSE_BYTES = TEXTS * COLUMNS * 4


def corpus():
    """Return texts and the topic of each."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(20_000)])
    topics = rng.integers(0, TOPICS, TEXTS)
    common = rng.zipf(1.3, (TEXTS, WORDS)) % len(words)
    own = 37 * rng.integers(0, 400, (TEXTS, WORDS)) + topics[:, None]
    drawn = np.where(rng.random((TEXTS, WORDS)) < 0.3, own, common)
    return [" ".join(text) for text in words[drawn]], topics


def main():
    texts, topics = corpus()
    hashing = HashingVectorizer(n_features=COLUMNS, dtype="float32")
    model = MLPClassifier((16,), early_stopping=True, max_iter=4, random_state=0, threads=2)
    pipeline = make_pipeline(hashing, model)
    pipeline.fit(texts[:200], topics[:200])

    limit = status("VmSize") + DENSE_BYTES // 8
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    train = slice(0, TEXTS - 1000)
    pipeline.fit(texts[train], topics[train])
    print(pipeline.score(texts[-1000:], topics[-1000:]))
    try:
        np.empty(DENSE_BYTES // 8, "uint8")
    except MemoryError:
        return 0
    return "the limit does not hold"


if __name__ == "__main__":
    sys.exit(main())
