"""Stateless kernels on the caller's arrays, for use from other libraries."""

from descend._core.ops import dense_backward, dense_forward, loss

__all__ = ["dense_backward", "dense_forward", "loss"]
