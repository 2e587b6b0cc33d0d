"""Recognise handwritten digits: train, stop in time, test, save, load.

Needs scikit-learn for its data; draws the learning curves where a path is given:
python examples/digits.py curves.png
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import descend as ds

X, y = load_digits(return_X_y=True)
X = X / 16  # pixels from 0 to 1
order = np.random.default_rng(0).permutation(len(X))
train, validation, test = np.split(order, [1200, 1400])

net = ds.Network(
    inputs=64,
    layers=[ds.Dense(256, "relu"), ds.Dropout(0.2), ds.Dense(128, "relu"), ds.Dense(10)],
    init="he_normal",
    seed=0,
)
net.summary()

trainer = ds.Trainer(net, loss="softmax_cross_entropy", optimizer=ds.Adam(1e-3), batch_size=32)
history = trainer.fit(
    X[train],
    y[train],
    epochs=100,
    validation_data=(X[validation], y[validation]),
    stop=ds.Stop(patience=10),
    progress=True,
)
print(history)

accuracy = (net.predict(X[test]).argmax(axis=1) == y[test]).mean()
print(f"test accuracy: {accuracy:.4f}")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "digits.safetensors")
    net.save(path)
    assert np.array_equal(ds.Network.load(path).predict(X[test]), net.predict(X[test]))

if len(sys.argv) > 1:
    history.plot(sys.argv[1])
