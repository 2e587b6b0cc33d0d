"""Feed-forward networks trained by gradient descent, in a compiled core.

See ``help(descend.Network)``, ``help(descend.Trainer)`` and the README.
"""

from descend import ops, schedules
from descend._core import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    GradientNoise,
    LearningRate,
    Lion,
    NAdam,
    NoiseEstimate,
    OptimizerState,
    RMSProp,
    activations,
    build_info,
    cuda_devices,
    devices,
    gradient_noise,
    initializers,
    losses,
    metric,
    metrics,
    optimizers,
)
from descend.batch_size import BatchSizeReport, BatchSizeRow, batch_size_report
from descend.callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ReduceLROnPlateau,
    TensorBoard,
)
from descend.history import History
from descend.layers import Dense, Dropout
from descend.locations import get_cmake_dir, get_include
from descend.network import Network
from descend.progress import EpochReport, StepReport
from descend.splits import k_fold, train_test_split
from descend.stop import Stop
from descend.trainer import Trainer

__all__ = [
    "SGD",
    "AMSGrad",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "BatchSizeReport",
    "BatchSizeRow",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "EpochReport",
    "GradientNoise",
    "History",
    "LambdaCallback",
    "LearningRate",
    "Lion",
    "NAdam",
    "Network",
    "NoiseEstimate",
    "OptimizerState",
    "RMSProp",
    "ReduceLROnPlateau",
    "StepReport",
    "Stop",
    "TensorBoard",
    "Trainer",
    "activations",
    "batch_size_report",
    "build_info",
    "cuda_devices",
    "devices",
    "get_cmake_dir",
    "get_include",
    "gradient_noise",
    "initializers",
    "k_fold",
    "losses",
    "metric",
    "metrics",
    "ops",
    "optimizers",
    "schedules",
    "train_test_split",
]


def __getattr__(name: str) -> str:
    # Not at import: build_info() fails where DESCEND_ISA is wrong, and says so better when asked.
    if name == "__version__":
        return str(build_info()["version"])
    raise AttributeError(f"module 'descend' has no attribute {name!r}")
