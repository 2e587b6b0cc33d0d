"""PyTorch with forward pass, loss and backpropagation through ``torch.compile``."""

import numpy as np
import torch
from numpy.typing import NDArray

from contenders import Epoch, torch_epochs
from tasks import Task


def make_epoch(task: Task, X: NDArray[np.float32], y: NDArray[np.int64], threads: int) -> Epoch:
    """Return one epoch; compiled at its first call."""
    return torch_epochs.make_epoch(task, X, y, threads, compiled=torch.compile)
