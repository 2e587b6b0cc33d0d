"""Agreement with an automatic-differentiation framework, where PyTorch is installed."""

import numpy as np
import pytest

import descend as ds
from reference.losses import LOSSES
from reference.network import Layer
from strategies import Architecture, mlp, problem
from tolerances import assert_close, assert_layers_close

torch = pytest.importorskip("torch")
functional = torch.nn.functional
# Its threads would only wait for each other on matrices this small.
torch.set_num_threads(1)

ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": lambda z: functional.leaky_relu(z, 0.01),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    # torch.nn.Softplus is linear above 20.
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}
ROW_LOSSES = {
    "squared_error": lambda f, y: 0.5 * (f - y).square().sum(1),
    "absolute_error": lambda f, y: (f - y).abs().sum(1),
    "huber": lambda f, y: functional.huber_loss(f, y, reduction="none").sum(1),
    "softmax_cross_entropy": lambda f, y: functional.cross_entropy(f, y, reduction="none"),
    "sigmoid_cross_entropy": lambda f, y: functional.binary_cross_entropy_with_logits(
        f, y, reduction="none"
    ).sum(1),
    "poisson": lambda f, y: functional.poisson_nll_loss(f, y, reduction="none").sum(1),
}
OPTIMIZERS = {
    "SGD": (ds.SGD(0.02), torch.optim.SGD, {"lr": 0.02}),
    "momentum": (ds.SGD(0.02, momentum=0.9), torch.optim.SGD, {"lr": 0.02, "momentum": 0.9}),
    "Nesterov": (
        ds.SGD(0.02, momentum=0.9, nesterov=True),
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.9, "nesterov": True},
    ),
    "AdaGrad": (ds.AdaGrad(0.05), torch.optim.Adagrad, {"lr": 0.05, "eps": 1e-10}),
    "RMSProp": (
        ds.RMSProp(0.002, rho=0.95, epsilon=1e-6),
        torch.optim.RMSprop,
        {"lr": 0.002, "alpha": 0.95, "eps": 1e-6},
    ),
    "RMSProp with momentum": (
        ds.RMSProp(0.002, momentum=0.8, epsilon=1e-6),
        torch.optim.RMSprop,
        {"lr": 0.002, "alpha": 0.9, "eps": 1e-6, "momentum": 0.8},
    ),
    "Adam": (ds.Adam(0.003), torch.optim.Adam, {"lr": 0.003}),
    "AdaDelta": (ds.AdaDelta(0.5), torch.optim.Adadelta, {"lr": 0.5}),
    "AMSGrad": (ds.AMSGrad(0.003), torch.optim.Adam, {"lr": 0.003, "amsgrad": True}),
    "Adamax": (ds.Adamax(0.003), torch.optim.Adamax, {"lr": 0.003}),
    # Whose beta1 is the same at every step then.
    "NAdam": (ds.NAdam(0.003), torch.optim.NAdam, {"lr": 0.003, "momentum_decay": 1e9}),
    "AdamW": (
        ds.AdamW(0.003, weight_decay=0.1),
        torch.optim.AdamW,
        {"lr": 0.003, "weight_decay": 0.1},
    ),
}


class Twin:
    """The same network over torch tensors that record their gradient."""

    def __init__(self, architecture, parameters):
        self.architecture = architecture
        self.parameters = [
            [torch.tensor(part, requires_grad=True) for part in pair] for pair in parameters
        ]

    def loss(self, X, y, name, sample_weight=None):
        a = torch.tensor(X)
        for layer, (w, b) in zip(self.architecture.layers, self.parameters, strict=True):
            a = ACTIVATIONS[layer.activation](a @ w + b)
        rows = ROW_LOSSES[name](a, torch.tensor(y))
        if sample_weight is None:
            return rows.mean()
        weights = torch.tensor(sample_weight, dtype=rows.dtype)
        return (weights * rows).sum() / weights.sum()

    def gradient(self):
        return [[part.grad.numpy() for part in pair] for pair in self.parameters]


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 3e-4)])
@pytest.mark.parametrize("weights", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_loss_and_gradient_agree_with_autograd(activation, loss, weights, dtype, rtol):
    layers = Layer(20, activation), Layer(17, activation), Layer(5, activation)
    architecture = Architecture(13, layers, dtype, seed=3)
    case = problem(architecture, loss, 33, seed=1, weights=weights)
    network = architecture.network()
    twin = Twin(architecture, network.parameters())
    expected = twin.loss(case.X, case.y, loss, case.sample_weight)
    expected.backward()
    j, gradient = network.loss_and_gradient(case.X, case.y, loss, case.sample_weight)
    assert_close(j, expected.item(), rtol, "loss")
    assert_layers_close(gradient, twin.gradient(), rtol, "gradient")


@pytest.mark.parametrize("batch_size", [16, 50, None])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trajectories_agree_over_dozens_of_steps(name, batch_size):
    ours, kind, arguments = OPTIMIZERS[name]
    case = problem(mlp(10, 20, 17, 3), "softmax_cross_entropy", 203, seed=5, as_labels=True)
    network = case.architecture.network()
    twin = Twin(case.architecture, network.parameters())
    trainer = ds.Trainer(network, loss=case.loss, optimizer=ours, batch_size=batch_size)
    weights, biases = zip(*twin.parameters, strict=True)
    undecayed = {"weight_decay": 0.0} if "weight_decay" in arguments else {}
    theirs = kind([{"params": weights}, {"params": biases, **undecayed}], **arguments)
    rng = np.random.default_rng(6)
    while trainer.steps < 48:
        order = rng.permutation(case.rows)
        trainer.run_epoch(case.X, case.y, order=order)
        size = batch_size or case.rows
        for first in range(0, case.rows, size):
            rows = order[first : first + size]
            theirs.zero_grad()
            twin.loss(case.X[rows], case.y[rows], case.loss).backward()
            theirs.step()
    parameters = [[part.detach().numpy() for part in pair] for pair in twin.parameters]
    # PyTorch keeps NAdam's product of betas in float32.
    rtol = 1e-5 if name == "NAdam" else 1e-8
    assert_layers_close(network.parameters(), parameters, rtol, "trajectory")


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_class_weights_and_label_smoothing_agree(kind):
    outputs = {"softmax": 4, "sigmoid": 1}[kind]
    case = problem(mlp(10, 20, outputs), f"{kind}_cross_entropy", 64, seed=5, as_labels=True)
    y = np.random.default_rng(0).integers(0, max(outputs, 2), 64)
    class_weight = np.array([0.5, 2.0, 1.0, 3.0][: max(outputs, 2)])
    network = case.architecture.network()
    twin = Twin(case.architecture, network.parameters())
    options = {"class_weight": class_weight, "label_smoothing": 0.1}
    trainer = ds.Trainer(network, case.loss, ds.SGD(1.0), **options)
    loss = trainer.step(case.X, y if kind == "softmax" else y.astype(float))
    a = torch.tensor(case.X)
    for layer, (w, b) in zip(case.architecture.layers, twin.parameters, strict=True):
        a = ACTIVATIONS[layer.activation](a @ w + b)
    weights = torch.tensor(class_weight)[y]
    if kind == "softmax":
        # Its own weights would weigh the classes within the smoothed rows too.
        rows = functional.cross_entropy(a, torch.tensor(y), label_smoothing=0.1, reduction="none")
    else:
        targets = torch.tensor(0.9 * y + 0.05)
        rows = functional.binary_cross_entropy_with_logits(a[:, 0], targets, reduction="none")
    expected = (weights * rows).sum() / weights.sum()
    assert_close(loss, expected.item(), 1e-12)


@pytest.mark.parametrize("clipping", ["norm", "value"])
def test_clipped_trajectories_agree(clipping):
    case = problem(mlp(10, 20, 17, 3), "softmax_cross_entropy", 64, seed=5, as_labels=True)
    network = case.architecture.network()
    twin = Twin(case.architecture, network.parameters())
    parts = [part for pair in twin.parameters for part in pair]
    theirs = torch.optim.SGD(parts, lr=0.5, momentum=0.9)
    most = {"norm": 0.05, "value": 0.002}[clipping]
    clip = getattr(torch.nn.utils, f"clip_grad_{clipping}_")
    options = {"optimizer": ds.SGD(0.5, momentum=0.9), f"clip_{clipping}": most}
    trainer = ds.Trainer(network, loss=case.loss, **options)
    for _ in range(48):
        trainer.step(case.X, case.y)
        theirs.zero_grad()
        twin.loss(case.X, case.y, case.loss).backward()
        clip(parts, most)
        theirs.step()
    parameters = [[part.detach().numpy() for part in pair] for pair in twin.parameters]
    # PyTorch adds 1e-6 to the norm.
    rtol = {"norm": 1e-3, "value": 1e-8}[clipping]
    assert_layers_close(network.parameters(), parameters, rtol, "trajectory")


SCHEDULERS = torch.optim.lr_scheduler
SCHEDULES = {
    "step": (ds.schedules.step(0.1, 7, 0.3), SCHEDULERS.StepLR, {"step_size": 7, "gamma": 0.3}),
    "exponential": (
        ds.schedules.exponential(0.1, 1, 0.97),
        SCHEDULERS.ExponentialLR,
        {"gamma": 0.97},
    ),
    "cosine": (
        ds.schedules.cosine(0.1, 40, 0.001),
        SCHEDULERS.CosineAnnealingLR,
        {"T_max": 40, "eta_min": 0.001},
    ),
    "linear": (
        ds.schedules.linear(0.1, 20, 0.01),
        SCHEDULERS.LinearLR,
        {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 20},
    ),
    "one_cycle": (
        ds.schedules.one_cycle(0.1, 40),
        SCHEDULERS.OneCycleLR,
        {"max_lr": 0.1, "total_steps": 40, "cycle_momentum": False},
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_agree_step_by_step(name):
    ours, kind, arguments = SCHEDULES[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = kind(optimizer, **arguments)
    for t in range(1, 41):
        assert ours.at(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if t < 40:
            scheduler.step()
