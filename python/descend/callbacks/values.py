"""The numbers of an epoch by name, as callbacks watch and write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from descend.progress import EpochReport

__all__ = ["VALIDATION", "values_of"]

#: What the names of the validation rows' metrics begin with.
VALIDATION = "validation_"


def values_of(report: EpochReport) -> dict[str, float]:
    """Return the losses and metrics of an epoch, those of validation where it has them."""
    values = {"loss": report.loss, **report.metrics}
    if report.validation_loss is not None:
        values["validation_loss"] = report.validation_loss
    for name, value in report.validation_metrics.items():
        values[VALIDATION + name] = value
    return values
