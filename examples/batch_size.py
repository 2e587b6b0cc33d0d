"""The minibatch size, by measurement: the lecture's claims on handwritten digits.

1. The error of a minibatch's gradient falls as sigma / sqrt(N'): drawn minibatches beside the
   prediction of one measurement.
2. Steps to a target loss fall as 1 + noise scale / N', the learning rate tuned for each size.
3. Small minibatches regularise: the accuracy on images that were not trained on, of networks
   trained to the same training loss.

Needs scikit-learn for its data; draws the three where a path is given:
python examples/batch_size.py claims.svg
"""

import sys

import numpy as np
from sklearn.datasets import load_digits

import descend as ds

TARGET_LOSS = 0.1
SIZES = [1, 4, 16, 64, 256, 1024]
RATES = [0.1, 0.4, 0.8, 1.6]
SEEDS = [0, 1, 2, 3]
FINAL_LOSS = 0.02
LOSS = "softmax_cross_entropy"

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
order = np.random.default_rng(0).permutation(len(X))
train, test = np.split(order, [1200])
X_train, y_train = X[train], y[train]


def network(seed=0):
    return ds.Network.mlp([64, 64, 10], activation="tanh", seed=seed)


def trainer(batch_size, rate, seed=0, **options):
    optimizer = ds.SGD(learning_rate=rate)
    return ds.Trainer(network(seed), LOSS, optimizer, batch_size, seed=seed, **options)


def flat(gradient):
    return np.concatenate([part.ravel() for layer in gradient for part in layer])


# 1. The standard error, of minibatches drawn without replacement.
net = trainer(64, 0.1)
net.fit(X_train, y_train)
net = net.network
noise = ds.gradient_noise(net, X_train, y_train, LOSS)
exact = flat(net.loss_and_gradient(X_train, y_train, LOSS)[1])
rng = np.random.default_rng(0)
print(f"one measurement of all rows: {noise}")
print("batch size  predicted error  of 200 minibatches")
errors = []
for size in SIZES:
    squares = []
    for _ in range(200):
        rows = rng.choice(len(y_train), size, replace=False)
        gradient = flat(net.loss_and_gradient(X_train[rows], y_train[rows], LOSS)[1])
        squares.append(((gradient - exact) ** 2).sum())
    errors.append((noise.standard_error(size, population=len(y_train)), np.mean(squares) ** 0.5))
    print(f"{size:10}  {errors[-1][0]:15.4f}  {errors[-1][1]:18.4f}")


# 2. Steps and epochs to the target loss, at the best of the rates for each size.
def steps_to_target(size, rate):
    run = trainer(size, rate)
    quarter = max(size, len(y_train) // 4)
    rows = np.random.default_rng(0)
    while run.epoch < 600 and run.steps < 5000:
        visited = rows.permutation(len(y_train))
        for first in range(0, len(visited), quarter):
            run.run_epoch(X_train, y_train, order=visited[first : first + quarter])
            if run.network.loss_and_gradient(X_train, y_train, LOSS)[0] <= TARGET_LOSS:
                return run.steps
    return float("inf")


# The noise along the way, as a run of an ordinary size records it.
history = trainer(64, 0.4, track_gradient_noise=True).fit(
    X_train, y_train, epochs=40, stop=ds.Stop(target_loss=TARGET_LOSS)
)
scale = np.median(history.noise_scale)
print(f"\nnoise scale by epoch: {', '.join(f'{value:.0f}' for value in history.noise_scale)}")
print(f"median {scale:.0f}; steps to a training loss of {TARGET_LOSS}")
print("batch size  rate   steps  epochs  predicted")
steps = {size: min((steps_to_target(size, rate), rate) for rate in RATES) for size in SIZES}


def predicted_epochs(size):
    """The rows of an epoch at a time, from the steps of the smallest size."""
    fewest = steps[SIZES[0]][0] / (1 + scale / SIZES[0])
    return fewest * (1 + scale / size) * size / len(y_train)


for size, (count, rate) in steps.items():
    epochs = count * size / len(y_train)
    print(f"{size:10}  {rate:4}  {count:6}  {epochs:6.1f}  {predicted_epochs(size):9.1f}")

# 3. Generalisation: every size trained to the same training loss, at its rate of before.
print(
    f"\naccuracy on {len(test)} other images at a training loss of {FINAL_LOSS}, {len(SEEDS)} seeds"
)
print("batch size  epochs  accuracy  its standard error  loss")
accuracies = []
for size in SIZES:
    epochs, found, losses = [], [], []
    for seed in SEEDS:
        run = trainer(size, steps[size][1], seed)
        stop = ds.Stop(target_loss=FINAL_LOSS)
        epochs.append(len(run.fit(X_train, y_train, epochs=2000, stop=stop).loss))
        found.append((run.network.predict(X[test]).argmax(axis=1) == y[test]).mean())
        losses.append(run.network.loss_and_gradient(X[test], y[test], LOSS)[0])
    accuracies.append((np.mean(found), np.std(found, ddof=1) / len(found) ** 0.5))
    print(
        f"{size:10}  {np.mean(epochs):6.0f}  {accuracies[-1][0]:8.4f}  {accuracies[-1][1]:18.4f}"
        f"  {np.mean(losses):.4f}"
    )

if len(sys.argv) > 1:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    error, epochs, accuracy = figure.subplots(1, 3)
    error.loglog(SIZES, [predicted for predicted, _ in errors], label="predicted")
    error.loglog(SIZES, [measured for _, measured in errors], "o", label="200 minibatches")
    error.set(title="error of a minibatch's gradient", ylabel="standard error")
    counts = [steps[size][0] * size / len(y_train) for size in SIZES]
    epochs.loglog(SIZES, [predicted_epochs(size) for size in SIZES], label="predicted")
    epochs.loglog(SIZES, counts, "o", label="measured")
    epochs.axvline(scale, linestyle=":", color="gray", label="noise scale")
    epochs.set(title=f"epochs to a training loss of {TARGET_LOSS}", ylabel="epochs")
    accuracy.errorbar(SIZES, *zip(*accuracies, strict=True), fmt="o")
    accuracy.set(title="accuracy on images held out", ylabel="accuracy", xscale="log")
    for axes in (error, epochs, accuracy):
        axes.set(xlabel="batch size")
        axes.grid(alpha=0.3)
    error.legend(frameon=False)
    epochs.legend(frameon=False)
    figure.savefig(sys.argv[1])
