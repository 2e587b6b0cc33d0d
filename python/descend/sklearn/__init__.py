"""scikit-learn's multilayer perceptrons on descend's core: ``pip install "descend[sklearn]"``.

`MLPClassifier` and `MLPRegressor` have the parameters, defaults, attributes and methods of those in
``sklearn.neural_network`` and draw the same random numbers, so that the same settings give the
same losses. What they add defaults to scikit-learn's behaviour.
"""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "descend.sklearn needs scikit-learn, which descend itself does not: "
        'pip install "descend[sklearn]"'
    ) from error

from descend.sklearn.classifier import MLPClassifier
from descend.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
