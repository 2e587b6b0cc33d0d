"""
Stateless operations on arrays, in float64 where one of them is of float64, else in float32. Class indices and sample weights have no say in that.
"""
from __future__ import annotations
import numpy
import typing
__all__: list[str] = ['dense_backward', 'dense_forward', 'loss']
def dense_backward(d_a: typing.Any, x: typing.Any, w: typing.Any, z_or_a: typing.Any, activation: typing.Any) -> tuple:
    """
    Backpropagate through one dense layer ``a = f(z)``, ``z = x w + b``.
    
    Parameters
    ----------
    d_a : array_like of shape (rows, units)
        dJ/da.
    x : array_like of shape (rows, inputs)
    w : array_like of shape (inputs, units)
    z_or_a : array_like of shape (rows, units)
        z for "gelu" and "silu", whose derivative a does not determine; a for every other activation.
    activation : str
    
    Returns
    -------
    d_x : ndarray of shape (rows, inputs)
    d_w : ndarray of shape (inputs, units)
    d_b : ndarray of shape (units,)
    
    Raises
    ------
    ValueError, TypeError
        If shapes do not fit or an array is not of real numbers.
    """
def dense_forward(x: typing.Any, w: typing.Any, b: typing.Any, activation: typing.Any = 'identity') -> numpy.ndarray:
    """
    Compute ``f(x w + b)``.
    
    Parameters
    ----------
    x : array_like of shape (rows, inputs)
    w : array_like of shape (inputs, units)
    b : array_like of shape (units,)
    activation : str
        One of ``descend.activations()``.
    
    Returns
    -------
    ndarray of shape (rows, units)
    
    Raises
    ------
    ValueError, TypeError
        If shapes do not fit or an array is not of real numbers.
    """
def loss(loss: typing.Any, outputs: typing.Any, targets: typing.Any, sample_weight: typing.Any = None) -> tuple:
    """
    Compute ``J = sum_i w_i L_i / sum_i w_i`` and its gradient.
    
    Parameters
    ----------
    loss : str
        One of ``descend.losses()``.
    outputs : array_like of shape (rows, outputs)
        The network's raw outputs.
    targets : array_like
        Class indices of shape (rows,), or targets of shape (rows, outputs).
    sample_weight : array_like of shape (rows,), optional
    
    Returns
    -------
    J : float
    d_outputs : ndarray of shape (rows, outputs)
    
    Raises
    ------
    ValueError, TypeError
        If the arrays do not fit each other or the loss.
    """
