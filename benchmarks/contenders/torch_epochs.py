"""PyTorch, eager, with its fused optimizers where it has them."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contenders import Epoch
from tasks import LEARNING_RATE, Task

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def make_epoch(
    task: Task,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    threads: int,
    compiled: Callable[..., Callable[[Tensor, Tensor], Tensor]] | None = None,
) -> Epoch:
    """Return one epoch; ``compiled`` turns the function of the loss into a faster one."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for shape in task.layers:
        layers += [nn.Linear(*shape), ACTIVATIONS[task.activation]()]
    model = nn.Sequential(*layers[:-1])
    optimizer = _optimizer(task.optimizer, model)
    inputs, labels = torch.from_numpy(X), torch.from_numpy(y)

    def loss_of(x: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(x), targets)

    loss_function = compiled(loss_of) if compiled else loss_of

    def epoch() -> float:
        total = torch.zeros(())
        for rows in torch.randperm(len(inputs)).split(task.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_function(inputs[rows], labels[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item() / task.steps

    return epoch


def _optimizer(name: str, model: nn.Module) -> torch.optim.Optimizer:
    parameters = model.parameters()
    if name == "adam":
        return torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=LEARNING_RATE, fused=True)
    return torch.optim.RMSprop(parameters, lr=LEARNING_RATE, alpha=0.9)
