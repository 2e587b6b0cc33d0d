"""scikit-learn's digits: 0.97 on a held-out quarter."""

import numpy as np
from sklearn.datasets import load_digits

import descend as ds


def test_digits_are_learned():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    held_out, rest = order[: len(order) // 4], order[len(order) // 4 :]
    network = ds.Network.mlp([64, 64, 10], activation="relu", init="he_normal", seed=0)
    trainer = ds.Trainer(
        network,
        loss="softmax_cross_entropy",
        optimizer=ds.Adam(learning_rate=2e-3),
        batch_size=32,
        seed=0,
    )
    trainer.fit(images[rest] / 16, labels[rest], epochs=30)
    accuracy = (network.predict(images[held_out] / 16).argmax(axis=1) == labels[held_out]).mean()
    assert accuracy >= 0.97
