"""Prediction of one row by a network 8-32-32-2, from Python, in one thread.

    python benchmarks/predict.py

The libraries take turns in one process. ``kernels/predict.cpp`` takes the same from C++.
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

import descend as ds
from report import format_table, publish

SIZES = [8, 32, 32, 2]
CALLS = 2000
ROUNDS = 15


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    network = ds.Network.mlp(SIZES)
    row = np.random.default_rng(0).standard_normal((1, SIZES[0]), dtype=np.float32)
    predictions = {
        "descend": lambda: network.predict(row),
        "NumPy": numpy_prediction(network, row),
        "PyTorch": torch_prediction(network, row),
    }
    for name, predict in predictions.items():
        np.testing.assert_allclose(predict(), network.predict(row), rtol=1e-5, err_msg=name)
    times = [
        [timeit.timeit(predict, number=CALLS) / CALLS for predict in predictions.values()]
        for _ in range(ROUNDS)
    ]
    medians = map(median, zip(*times, strict=True))
    rows = [
        [name, f"{1e6 * seconds:.2f}"] for name, seconds in zip(predictions, medians, strict=True)
    ]
    table = format_table(["one row of 8-32-32-2", "us"], rows)
    print(table)
    if arguments.markdown:
        publish("predict", table)


def numpy_prediction(network: ds.Network, row: np.ndarray) -> Callable[[], np.ndarray]:
    """Return the prediction by hand."""
    *hidden, (last_weights, last_bias) = network.parameters()

    def predict() -> np.ndarray:
        a = row
        for weights, bias in hidden:
            a = np.maximum(a @ weights + bias, 0)
        return a @ last_weights + last_bias

    return predict


def torch_prediction(network: ds.Network, row: np.ndarray) -> Callable[[], torch.Tensor]:
    """Return the prediction of a ``Sequential`` of the same weights."""
    layers: list[torch.nn.Module] = []
    for weights, bias in network.parameters():
        linear = torch.nn.Linear(*weights.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights.T))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, torch.nn.ReLU()]
    model, x = torch.nn.Sequential(*layers[:-1]), torch.from_numpy(row)

    @torch.inference_mode()
    def predict() -> torch.Tensor:
        return model(x)

    return predict


if __name__ == "__main__":
    main()
