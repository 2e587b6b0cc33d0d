"""The training loss of every optimizer, epoch by epoch, on one network and one order of examples.

The data are scikit-learn's digits. Draws the losses where a path is given:
python examples/optimizers.py losses.png
"""

import sys

from sklearn.datasets import load_digits

import descend as ds

EPOCHS = 15
OPTIMIZERS = {
    "SGD": ds.SGD(learning_rate=0.05),
    "momentum": ds.SGD(learning_rate=0.05, momentum=0.9),
    "Nesterov": ds.SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
    "AdaGrad": ds.AdaGrad(learning_rate=0.02),
    "RMSProp": ds.RMSProp(learning_rate=0.002),
    "Adam": ds.Adam(learning_rate=0.002),
    "AdamW": ds.AdamW(learning_rate=0.002),
}

X, y = load_digits(return_X_y=True)
X = X / 16

losses = {}
for name, optimizer in OPTIMIZERS.items():
    net = ds.Network.mlp([64, 128, 64, 10], init="he_normal", seed=0)
    trainer = ds.Trainer(net, loss="softmax_cross_entropy", optimizer=optimizer, seed=0)
    losses[name] = trainer.fit(X, y, epochs=EPOCHS).loss

print("epoch" + "".join(f"{name:>10}" for name in losses))
for epoch, row in enumerate(zip(*losses.values(), strict=True), start=1):
    print(f"{epoch:5}" + "".join(f"{loss:10.5f}" for loss in row))

if len(sys.argv) > 1:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for name, values in losses.items():
        axes.semilogy(range(1, EPOCHS + 1), values, label=name)
    axes.set(xlabel="epoch", ylabel="training loss")
    axes.legend(frameon=False)
    figure.savefig(sys.argv[1])
