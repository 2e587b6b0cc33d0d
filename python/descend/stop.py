"""When a training run ends."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Stop"]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Conditions that end a run before its last epoch; ``None`` leaves one unchecked.

    Changes are taken from epoch to epoch, which is from step to step in batch gradient descent
    (``batch_size=None``). ``History.stop_reason`` names the condition that was met.

    Parameters
    ----------
    max_steps : int, optional
        Optimizer steps of this run.
    parameter_change : float, optional
        Stop where ``||theta_new - theta_old||`` is below this.
    loss_change : float, optional
        Stop where ``|J_new - J_old|`` is below this.
    target_loss : float, optional
        Stop where the training loss ``J`` is at or below this.
    seconds : float, optional
        Wall time of this run.
    patience : int, optional
        Epochs without a lower validation loss; the best parameters are restored at the end.
        Needs ``validation_data``.
    """

    max_steps: int | None = None
    parameter_change: float | None = None
    loss_change: float | None = None
    target_loss: float | None = None
    seconds: float | None = None
    patience: int | None = None
