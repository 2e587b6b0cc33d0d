"""Trains drawn configurations and prints a digest of each: ``python same_bits_run.py``.

One line a configuration and number of threads; test_same_bits.py compares the lines.
"""

import hashlib
import sys
from dataclasses import replace

import numpy as np

import descend as ds
from reference.activations import ACTIVATIONS
from reference.losses import LOSSES
from reference.network import Layer
from strategies import Architecture, problem, thinned

CONFIGURATIONS = 40
THREADS = 1, 2, 3, 4, 8
OPTIMIZERS = (
    ds.SGD(learning_rate=0.01),
    ds.SGD(learning_rate=0.01, momentum=0.9, weight_decay=0.01),
    ds.SGD(learning_rate=0.01, momentum=0.9, nesterov=True),
    ds.AdaGrad(),
    ds.RMSProp(),
    ds.RMSProp(momentum=0.9),
    ds.Adam(),
    ds.AdamW(),
    ds.Adam(epsilon_hat=True),
    ds.AdaDelta(),
    ds.AMSGrad(),
    ds.Adamax(),
    ds.NAdam(),
    ds.Lion(1e-3, weight_decay=0.1),
    ds.Adam(ds.schedules.warm_up(ds.schedules.cosine(1e-2, 50), 5)),
)


def configuration(index):
    """Return the data and the trainer's options of configuration ``index``."""
    rng = np.random.default_rng(index)
    depth = rng.integers(1, 5)
    # Every tenth is wide enough to be worth several threads, or has a batch of many rows, or
    # numbers near the smallest normal one, or many inputs, most of them 0.
    wide, long, tiny, zeros = (index % 10 == rest for rest in (0, 5, 8, 3))
    widest = 200 if wide else 70
    widths = rng.integers(1, widest, depth + 1).tolist()
    if zeros:
        widths[:2] = [130 + widths[0], 16 + widths[1]]
    activations = rng.choice(sorted(ACTIVATIONS), depth).tolist()
    rates = [*rng.choice([0.0, 0.0, 0.3], depth - 1).tolist(), 0.0]
    architecture = Architecture(
        widths[0],
        tuple(map(Layer, widths[1:], activations, rates)),
        str(rng.choice(["float32", "float64"])),
        seed=index,
        input_dropout=float(rng.choice([0.0, 0.2])),
    )
    loss = str(rng.choice(sorted(LOSSES)))
    rows = int(rng.integers(1100, 1500) if long else rng.integers(1, 300))
    case = problem(
        architecture,
        loss,
        rows,
        index,
        weights=bool(rng.integers(2)),
        as_labels=bool(rng.integers(2)),
    )
    if tiny:
        case = replace(case, X=case.X * 10 * np.finfo(case.X.dtype).tiny)
    if zeros:
        case = replace(case, X=thinned(case.X, rng))
    batch_size = None if long else [None, 1 + rows // 9, 32, 64, 128][rng.integers(5)]
    optimizer = OPTIMIZERS[rng.integers(len(OPTIMIZERS))]
    options = {"optimizer": optimizer, "batch_size": batch_size, "seed": index}
    if index % 3 == 0:
        options |= {"l2": 0.01, "l1": 0.001, "divide_penalty": bool(index % 2)}
    if index % 5 == 1:
        options |= {"clip_norm": 0.05, "clip_value": [None, 0.02][index % 2]}
    if index % 4 == 2:
        options |= {"clip_value": 0.01, "average_decay": 0.9}
    if loss.endswith("cross_entropy") and index % 3 == 1:
        options |= {"label_smoothing": 0.1}
    return case, options


def digest(case, options, threads):
    """Return a hash of all that a short training gives."""
    network = case.architecture.network()
    trainer = ds.Trainer(network, loss=case.loss, threads=threads, **options)
    history = trainer.fit(
        case.X,
        case.y,
        epochs=2,
        sample_weight=case.sample_weight,
        validation_data=(case.X[:50], case.y[:50]),
    )
    loss, gradient = network.loss_and_gradient(
        case.X, case.y, case.loss, case.sample_weight, threads=threads
    )
    numbers = [*history.loss, *history.validation_loss, loss]
    if len(case.X) > 1:
        noise = ds.gradient_noise(
            network, case.X, case.y, case.loss, case.sample_weight, threads=threads
        )
        for estimate in (noise, *noise.layers):
            numbers += [estimate.variance, *estimate.confidence_interval("squared_norm")]
    pairs = [*network.parameters(), *gradient]
    if "average_decay" in options:
        pairs += trainer.averaged_network.parameters()
    arrays = [part for pair in pairs for part in pair]
    hashed = hashlib.sha256(np.array(numbers).tobytes())
    for array in (*arrays, network.predict(case.X, threads=threads)):
        hashed.update(array.tobytes())
    return hashed.hexdigest()[:16]


def main():
    print(ds.build_info()["isa"])
    for index in range(CONFIGURATIONS):
        case, options = configuration(index)
        for threads in THREADS:
            print(index, threads, digest(case, options, threads))
    return 0


if __name__ == "__main__":
    sys.exit(main())
