"""Time a training step on a GPU: descend, PyTorch and JAX, float32, Adam.

Every contender trains the same network on the same minibatches, which stand on the GPU, in order.
PyTorch runs the whole step, with its fused Adam, as one recorded CUDA graph; JAX runs an epoch as
one jitted scan. Both multiply matrices at their highest float32 precision. Runs are interleaved;
the median is shown, and with it the share of the peak of float32 multiply-adds that a kernel of
nothing else reaches on this GPU.

    python benchmarks/cuda_steps.py [--repeats 7]
"""

import argparse
import itertools
import statistics
import time

import numpy as np

import descend

TASKS = [
    ([64, 100, 10], 200),
    ([784, 128, 64, 10], 64),
    ([784, 1024, 1024, 10], 128),
    ([2048, 2048, 2048, 2048, 2048], 256),
    ([784, 1024, 1024, 10], 4096),
]

#: Steps of an epoch of each task: enough that its begin and end do not count.
STEPS = 200


def data(widths, batch_size):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(min(STEPS, 20) * batch_size, widths[0])).astype("float32")
    return X, rng.integers(0, widths[-1], len(X)).astype("int32")


def descend_epoch(widths, batch_size):
    X, y = data(widths, batch_size)
    order = np.tile(np.arange(len(X)), STEPS // 20)
    network = descend.Network.mlp(widths, activation="relu", seed=0)
    trainer = descend.Trainer(
        network, "softmax_cross_entropy", descend.Adam(), batch_size=batch_size, device="cuda"
    )
    return lambda: trainer.run_epoch(X, y, order=order)


def torch_epoch(widths, batch_size):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    X, y = (torch.from_numpy(array).cuda() for array in data(widths, batch_size))
    y = y.long()
    layers = []
    for inputs, units in itertools.pairwise(widths):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1]).cuda()
    optimizer = torch.optim.Adam(model.parameters(), fused=True, capturable=True)
    x_batch, y_batch = X[:batch_size].clone(), y[:batch_size].clone()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(x_batch), y_batch)
        loss.backward()
        optimizer.step()

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    starts = [i % min(STEPS, 20) * batch_size for i in range(STEPS)]

    def epoch():
        for start in starts:
            x_batch.copy_(X[start : start + batch_size])
            y_batch.copy_(y[start : start + batch_size])
            graph.replay()
        torch.cuda.synchronize()

    return epoch


def jax_epoch(widths, batch_size):
    import jax
    import jax.numpy as jnp
    import optax

    jax.config.update("jax_default_matmul_precision", "highest")
    X, y = (jnp.asarray(array) for array in data(widths, batch_size))
    X, y = X.reshape(-1, batch_size, widths[0]), y.reshape(-1, batch_size)
    rng = np.random.default_rng(0)
    parameters = [
        (jnp.asarray(rng.normal(size=shape) / shape[0] ** 0.5, "float32"), jnp.zeros(shape[1]))
        for shape in itertools.pairwise(widths)
    ]
    optimizer = optax.adam(1e-3)

    def loss_of(parameters, x, y):
        for w, b in parameters[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = parameters[-1]
        return optax.softmax_cross_entropy_with_integer_labels(x @ w + b, y).mean()

    def step(carry, batch):
        parameters, state = carry
        gradient = jax.grad(loss_of)(parameters, *batch)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(parameters, updates), state), None

    @jax.jit
    def epochs(carry):
        def once(carry, _):
            return jax.lax.scan(step, carry, (X, y))

        return jax.lax.scan(once, carry, None, length=STEPS // 20)[0]

    carry = parameters, optimizer.init(parameters)

    def epoch():
        nonlocal carry
        carry = jax.block_until_ready(epochs(carry))

    return epoch


def step_flops(widths, batch_size):
    products = [a * b for a, b in itertools.pairwise(widths)]
    return 2.0 * batch_size * (3 * sum(products) - products[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    from fma_peak import peak_flops

    peak = peak_flops()
    gpu, version = descend.cuda_devices()[0], descend.__version__
    print(f"{gpu}, descend {version}; peak {peak / 1e12:.1f} TFLOP/s")
    contenders = {"descend": descend_epoch, "PyTorch": torch_epoch, "JAX": jax_epoch}
    print("us per step".ljust(34), *(name.rjust(9) for name in contenders), "  peak of descend")
    for widths, batch_size in TASKS:
        epochs = {name: make(widths, batch_size) for name, make in contenders.items()}
        times = {name: [] for name in contenders}
        for epoch in epochs.values():
            epoch()
        for _ in range(repeats):
            for name, epoch in epochs.items():
                begin = time.perf_counter()
                epoch()
                times[name].append((time.perf_counter() - begin) / STEPS)
        medians = [statistics.median(of) for of in times.values()]
        share = step_flops(widths, batch_size) / medians[0] / peak
        label = f"{'-'.join(map(str, widths))} ({batch_size})"
        print(label.ljust(34), *(f"{m * 1e6:9.1f}" for m in medians), f"  {share:.0%}", flush=True)


if __name__ == "__main__":
    main()
