"""Seven ways of stochastic gradient descent on four small data sets, by descend.sklearn.

The settings and data sets are those of the example of this name in scikit-learn's documentation;
the scores and losses are equal to those that its own MLPClassifier gives, to six decimals. Draws
the losses where a path is given: python examples/plot_mlp_training_curves.py losses.png
"""

import sys
import warnings

from sklearn.datasets import load_digits, load_iris, make_circles, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import MinMaxScaler

from descend.sklearn import MLPClassifier

SGD = {"solver": "sgd", "learning_rate_init": 0.2}
CONSTANT = SGD | {"learning_rate": "constant"}
INVERSE = SGD | {"learning_rate": "invscaling"}
CLASSICAL = {"momentum": 0.9, "nesterovs_momentum": False}
NESTEROV = {"momentum": 0.9, "nesterovs_momentum": True}
SETTINGS = {
    "constant": CONSTANT | {"momentum": 0},
    "constant, momentum": CONSTANT | CLASSICAL,
    "constant, Nesterov": CONSTANT | NESTEROV,
    "inverse scaling": INVERSE | {"momentum": 0},
    "inverse scaling, momentum": INVERSE | CLASSICAL,
    "inverse scaling, Nesterov": INVERSE | NESTEROV,
    "Adam": {"solver": "adam", "learning_rate_init": 0.01},
}
DATA = {
    "iris": (400, load_iris(return_X_y=True)),
    "digits": (15, load_digits(return_X_y=True)),
    "circles": (400, make_circles(noise=0.2, factor=0.5, random_state=1)),
    "moons": (400, make_moons(noise=0.3, random_state=0)),
}

curves = {}
for name, (epochs, (X, y)) in DATA.items():
    X = MinMaxScaler().fit_transform(X)
    curves[name] = {}
    print(f"{name:30}{'score':>10}{'loss':>10}")
    for label, settings in SETTINGS.items():
        model = MLPClassifier(random_state=0, max_iter=epochs, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # some need more epochs
            model.fit(X, y)
        print(f"  {label:28}{model.score(X, y):10.6f}{model.loss_:10.6f}")
        curves[name][label] = model.loss_curve_

if len(sys.argv) > 1:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), dpi=150, layout="constrained")
    for axes, (name, by_label) in zip(figure.subplots(2, 2).flat, curves.items(), strict=True):
        for label, losses in by_label.items():
            axes.semilogy(range(1, len(losses) + 1), losses, label=label)
        axes.set(title=name, xlabel="epoch", ylabel="training loss")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(sys.argv[1])
