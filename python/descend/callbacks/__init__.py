"""What a run of ``Trainer.fit`` does besides training: the protocol, and callbacks ready to use."""

from descend.callbacks.callback import Callback, LambdaCallback
from descend.callbacks.checkpoint import Checkpoint
from descend.callbacks.csv_logger import CSVLogger
from descend.callbacks.early_stopping import EarlyStopping
from descend.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from descend.callbacks.tensorboard import TensorBoard

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LambdaCallback",
    "ReduceLROnPlateau",
    "TensorBoard",
]
