"""Batch against minibatch gradient descent, on handwritten digits.

The gradient of a minibatch of N' examples has a standard error of sigma / sqrt(N'): four times the
examples only halve it. So for one pass over the data, many rough steps get further than one exact
step. Needs scikit-learn for its data.
"""

import numpy as np
from sklearn.datasets import load_digits

import descend as ds

TARGET_LOSS = 0.1

X, y = load_digits(return_X_y=True)
X = X / 16
order = np.random.default_rng(0).permutation(len(X))
train, test = np.split(order, [1400])

print(f"plain gradient descent until the training loss is {TARGET_LOSS}")
print("batch size  epochs   steps  seconds  test accuracy")
for batch_size in (None, 256, 64, 16, 4):  # None: all examples, batch gradient descent
    net = ds.Network.mlp([64, 64, 10], activation="tanh", seed=0)
    trainer = ds.Trainer(
        net,
        loss="softmax_cross_entropy",
        optimizer=ds.SGD(learning_rate=0.1),
        batch_size=batch_size,
        seed=0,
    )
    history = trainer.fit(
        X[train], y[train], epochs=3000, stop=ds.Stop(target_loss=TARGET_LOSS, seconds=10)
    )
    accuracy = (net.predict(X[test]).argmax(axis=1) == y[test]).mean()
    print(
        f"{batch_size or 'all':>10}  {len(history.loss):6}  {history.steps:6}"
        f"  {history.seconds:7.3f}  {accuracy:13.4f}"
    )
