"""
The compiled core of descend.
"""
from __future__ import annotations
import collections.abc
import numpy
import typing
from . import ops
__all__: list[str] = ['AMSGrad', 'AdaDelta', 'AdaGrad', 'Adam', 'AdamW', 'Adamax', 'GradientNoise', 'LearningRate', 'Lion', 'NAdam', 'Network', 'NoiseEstimate', 'OptimizerState', 'RMSProp', 'SGD', 'Trainer', 'activations', 'build_info', 'cuda_devices', 'devices', 'gradient_noise', 'initializers', 'losses', 'metric', 'metrics', 'ops', 'optimizers', 'schedule_names']
class LearningRate:
    """
    A learning rate that changes from step to step; made by ``descend.schedules``.
    
    Parameters
    ----------
    kind : str
        One of ``descend.schedules.names()``, or ``"function"``.
    parameters : dict
        By name, as ``parameters`` gives them; what is left out has its default.
    """
    def __eq__(self, arg0: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, kind: typing.Any, parameters: dict) -> None:
        ...
    def __reduce__(self) -> tuple[type, tuple[str, dict]]:
        ...
    def __repr__(self) -> str:
        ...
    def at(self, step: typing.Any) -> float:
        """
        Give the rate of a step.
        
        Parameters
        ----------
        step : int
            From 1; of a schedule `per_epoch` the number of the epoch, from 1.
        
        Returns
        -------
        float
        
        Raises
        ------
        ValueError
            If the rate is not finite, negative or beyond float32.
        RuntimeError
            If a function raised; from what it raised.
        """
    @property
    def kind(self) -> str:
        """
        The name of the schedule, or ``"function"``.
        """
    @property
    def parameters(self) -> dict:
        """
        All that makes it again: ``LearningRate(kind, parameters)``.
        
        A dict of numbers and booleans, which JSON can hold; of a function it has the callable too.
        """
class OptimizerState:
    """
    What an optimizer keeps between steps: step count and vectors.
    """
    def __init__(self, step: typing.SupportsInt | typing.SupportsIndex, vectors: collections.abc.Sequence[numpy.ndarray]) -> None:
        ...
    def __reduce__(self) -> tuple[type, tuple[int, list[numpy.ndarray]]]:
        ...
    def __repr__(self) -> str:
        ...
    @property
    def step(self) -> int:
        """
        Steps done.
        """
    @property
    def vectors(self) -> list[numpy.ndarray]:
        """
        Arrays of theta's shape and dtype, updated in place.
        """
class SGD:
    """
    Stochastic gradient descent, with classical or Nesterov momentum.
    
    ``v = momentum v - learning_rate g; theta += v``; with ``nesterov``
    ``theta += momentum v - learning_rate g`` with the new v. The weight decay is decoupled:
    ``theta -= learning_rate weight_decay theta``. Sutskever et al. (2013).
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.01, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> None:
        """
        Stochastic gradient descent, with classical or Nesterov momentum.
        
        ``v = momentum v - learning_rate g; theta += v``; with ``nesterov``
        ``theta += momentum v - learning_rate g`` with the new v. The weight decay is decoupled:
        ``theta -= learning_rate weight_decay theta``. Sutskever et al. (2013).
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
    @property
    def momentum(self) -> float:
        ...
    @property
    def nesterov(self) -> bool:
        ...
    @property
    def weight_decay(self) -> float:
        ...
class AdaGrad:
    """
    AdaGrad, Duchi, Hazan & Singer (2011).
    
    ``s += g^2; theta -= learning_rate g / (sqrt(s) + epsilon)``.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.01, epsilon: float = 1e-10) -> None:
        """
        AdaGrad, Duchi, Hazan & Singer (2011).
        
        ``s += g^2; theta -= learning_rate g / (sqrt(s) + epsilon)``.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def epsilon(self) -> float:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
class RMSProp:
    """
    RMSProp, Tieleman & Hinton (2012), with optional momentum on the step.
    
    ``s = rho s + (1 - rho) g^2; d = learning_rate g / (sqrt(s) + epsilon); theta -= d``;
    with momentum ``v = momentum v + d; theta -= v``.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.001, rho: float = 0.9, epsilon: float = 1e-07, momentum: float = 0.0) -> None:
        """
        RMSProp, Tieleman & Hinton (2012), with optional momentum on the step.
        
        ``s = rho s + (1 - rho) g^2; d = learning_rate g / (sqrt(s) + epsilon); theta -= d``;
        with momentum ``v = momentum v + d; theta -= v``.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def epsilon(self) -> float:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
    @property
    def momentum(self) -> float:
        ...
    @property
    def rho(self) -> float:
        ...
class Adam:
    """
    Adam, Kingma & Ba (2015).
    
    ``m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;``
    ``theta -= learning_rate m_hat / (sqrt(v_hat) + epsilon)`` with the bias-corrected
    ``m_hat = m / (1 - beta1^t)`` and ``v_hat = v / (1 - beta2^t)``; with ``epsilon_hat``
    ``theta -= learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)``, as
    scikit-learn and Keras have it.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-08, epsilon_hat: bool = False) -> None:
        """
        Adam, Kingma & Ba (2015).
        
        ``m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;``
        ``theta -= learning_rate m_hat / (sqrt(v_hat) + epsilon)`` with the bias-corrected
        ``m_hat = m / (1 - beta1^t)`` and ``v_hat = v / (1 - beta2^t)``; with ``epsilon_hat``
        ``theta -= learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)``, as
        scikit-learn and Keras have it.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def beta1(self) -> float:
        ...
    @property
    def beta2(self) -> float:
        ...
    @property
    def epsilon(self) -> float:
        ...
    @property
    def epsilon_hat(self) -> bool:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
class AdamW:
    """
    Adam with decoupled weight decay, Loshchilov & Hutter (2019).
    
    ``theta -= learning_rate weight_decay theta`` beside Adam's step, whose ``epsilon_hat`` it
    has too.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-08, weight_decay: float = 0.01, epsilon_hat: bool = False) -> None:
        """
        Adam with decoupled weight decay, Loshchilov & Hutter (2019).
        
        ``theta -= learning_rate weight_decay theta`` beside Adam's step, whose ``epsilon_hat`` it
        has too.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def beta1(self) -> float:
        ...
    @property
    def beta2(self) -> float:
        ...
    @property
    def epsilon(self) -> float:
        ...
    @property
    def epsilon_hat(self) -> bool:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
    @property
    def weight_decay(self) -> float:
        ...
class AdaDelta:
    """
    AdaDelta, Zeiler (2012), with a learning rate, which is 1 in the paper.
    
    ``s = rho s + (1 - rho) g^2; d = sqrt(u + epsilon) / sqrt(s + epsilon) g;``
    ``u = rho u + (1 - rho) d^2; theta -= learning_rate d``; PyTorch's ``Adadelta``.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 1.0, rho: float = 0.9, epsilon: float = 1e-06) -> None:
        """
        AdaDelta, Zeiler (2012), with a learning rate, which is 1 in the paper.
        
        ``s = rho s + (1 - rho) g^2; d = sqrt(u + epsilon) / sqrt(s + epsilon) g;``
        ``u = rho u + (1 - rho) d^2; theta -= learning_rate d``; PyTorch's ``Adadelta``.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def epsilon(self) -> float:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
    @property
    def rho(self) -> float:
        ...
class AMSGrad:
    """
    AMSGrad, Reddi, Kale & Kumar (2018): Adam whose denominator never shrinks.
    
    ``m`` and ``v`` as Adam's, ``w = max(w, v)``;
    ``theta -= learning_rate m_hat / (sqrt(w / (1 - beta2^t)) + epsilon)``; PyTorch's
    ``Adam(amsgrad=True)``.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-08) -> None:
        """
        AMSGrad, Reddi, Kale & Kumar (2018): Adam whose denominator never shrinks.
        
        ``m`` and ``v`` as Adam's, ``w = max(w, v)``;
        ``theta -= learning_rate m_hat / (sqrt(w / (1 - beta2^t)) + epsilon)``; PyTorch's
        ``Adam(amsgrad=True)``.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def beta1(self) -> float:
        ...
    @property
    def beta2(self) -> float:
        ...
    @property
    def epsilon(self) -> float:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
class Adamax:
    """
    Adamax, Kingma & Ba (2015), section 7.1: Adam over the largest gradients.
    
    ``m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + epsilon);``
    ``theta -= learning_rate / (1 - beta1^t) m / u``; PyTorch's and optax's ``Adamax``.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.002, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-08) -> None:
        """
        Adamax, Kingma & Ba (2015), section 7.1: Adam over the largest gradients.
        
        ``m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + epsilon);``
        ``theta -= learning_rate / (1 - beta1^t) m / u``; PyTorch's and optax's ``Adamax``.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def beta1(self) -> float:
        ...
    @property
    def beta2(self) -> float:
        ...
    @property
    def epsilon(self) -> float:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
class NAdam:
    """
    NAdam, Dozat (2016): Adam with Nesterov's momentum.
    
    ``m`` and ``v`` as Adam's,
    ``n = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t);``
    ``theta -= learning_rate n / (sqrt(v_hat) + epsilon)``. One beta1 for all steps, as in
    optax: PyTorch's ``NAdam`` where its ``momentum_decay`` is large.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-08) -> None:
        """
        NAdam, Dozat (2016): Adam with Nesterov's momentum.
        
        ``m`` and ``v`` as Adam's,
        ``n = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t);``
        ``theta -= learning_rate n / (sqrt(v_hat) + epsilon)``. One beta1 for all steps, as in
        optax: PyTorch's ``NAdam`` where its ``momentum_decay`` is large.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def beta1(self) -> float:
        ...
    @property
    def beta2(self) -> float:
        ...
    @property
    def epsilon(self) -> float:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
class Lion:
    """
    Lion, Chen et al. (2023): the sign of an average.
    
    ``theta -= learning_rate (sign(beta1 m + (1 - beta1) g) + weight_decay theta);``
    ``m = beta2 m + (1 - beta2) g``. Its rates are a third to a tenth of Adam's.
    """
    def __eq__(self, other: typing.Any) -> bool:
        ...
    def __hash__(self) -> int:
        ...
    def __init__(self, learning_rate: float | LearningRate | collections.abc.Callable[[int], float] = 0.0001, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0) -> None:
        """
        Lion, Chen et al. (2023): the sign of an average.
        
        ``theta -= learning_rate (sign(beta1 m + (1 - beta1) g) + weight_decay theta);``
        ``m = beta2 m + (1 - beta2) g``. Its rates are a third to a tenth of Adam's.
        """
    def __reduce__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def init(self, theta: numpy.ndarray) -> OptimizerState:
        """
        Make the state for updating ``theta``.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous
        
        Returns
        -------
        OptimizerState
            ``step`` 0 and zeroed vectors of theta's shape and dtype.
        """
    def update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None:
        """
        Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.
        
        Parameters
        ----------
        theta : ndarray of float32 or float64, any shape, C-contiguous, writable
        gradient : ndarray of theta's shape and dtype
        state : OptimizerState
            From ``init``; its step and vectors move on.
        
        Raises
        ------
        TypeError
            If an array is not float32 or float64.
        ValueError
            If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
            nothing changes then.
        """
    @property
    def beta1(self) -> float:
        ...
    @property
    def beta2(self) -> float:
        ...
    @property
    def learning_rate(self) -> float | LearningRate | collections.abc.Callable[[int], float]:
        ...
    @property
    def weight_decay(self) -> float:
        ...
class Network:
    """
    A feed-forward network of dense layers and its parameters.
    """
    @staticmethod
    def _load(path: typing.Any) -> Network:
        ...
    @typing.overload
    def __init__(self, inputs: typing.Any, layers: collections.abc.Sequence, init: typing.Any, seed: typing.Any, dtype: typing.Any, input_dropout: typing.Any, parameters: typing.Any) -> None:
        ...
    @typing.overload
    def __init__(self, other: Network) -> None:
        """
        A copy, parameters included.
        """
    @typing.overload
    def __init__(self, trainer: Trainer) -> None:
        """
        The network that a trainer trains, sharing its parameters.
        """
    def load_parameters(self, path: typing.Any) -> None:
        """
        Read the parameters of a file whose layers and dtype are this network's.
        
        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is damaged, or of another architecture or dtype; the parameters stay as they were.
        """
    def loss_and_gradient(self, X: typing.Any, y: typing.Any, loss: typing.Any, sample_weight: typing.Any = None, threads: typing.Any = None) -> tuple:
        """
        Compute the training loss and its gradient by backpropagation; dropout is off.
        
        Parameters
        ----------
        X : array_like of shape (rows, inputs)
            As for ``predict``.
        y : array_like
            Class indices of shape (rows,), or targets of shape (rows, outputs).
        loss : str
            One of ``descend.losses()``.
        sample_weight : array_like of shape (rows,), optional
            Finite, at least 0, not all 0.
        threads : int, optional
            How many threads to use; by default as many as make it fastest, which is measured while it
            works, over one call after the other. No bit depends on it.
        
        Returns
        -------
        J : float
            ``sum_i w_i L_i / sum_i w_i`` over all rows.
        gradient : list of (ndarray of shape (inputs, units), ndarray of shape (units,))
            The gradient of J with respect to each layer's weights and bias.
        
        Raises
        ------
        ValueError, TypeError
            If the arrays do not fit the network or the loss.
        """
    def parameters(self) -> list:
        """
        Copy the parameters.
        
        Returns
        -------
        list of (ndarray of shape (inputs, units), ndarray of shape (units,))
            Weights and bias of each layer, of the network's dtype.
        """
    def predict(self, X: typing.Any, threads: typing.Any = None) -> numpy.ndarray:
        """
        Compute the network's outputs for each row of ``X``; dropout is off.
        
        Parameters
        ----------
        X : array_like or sparse matrix of shape (rows, inputs)
            Real, finite numbers of any type, or a data frame of them; never modified. Contiguous rows are
            read where they stand, and converted to the network's dtype as they are needed; others are
            copied once. Rows of a sparse matrix are made dense as they are needed, as for ``Trainer.fit``.
        threads : int, optional
            How many threads to use; by default as many as the work is worth. No bit depends on it.
        
        Returns
        -------
        ndarray of shape (rows, outputs)
            The last layer's raw outputs, of the network's dtype.
        
        Raises
        ------
        ValueError
            If ``X`` has another number of columns, no rows, or a value that is not finite.
        TypeError
            If ``X`` is not of real numbers.
        """
    def save(self, path: typing.Any) -> None:
        """
        Write spec and parameters to a safetensors file, replacing it atomically.
        
        Raises
        ------
        OSError
            If the file cannot be written; an earlier file stays as it was.
        """
    def set_parameters(self, parameters: typing.Any) -> None:
        """
        Replace all parameters.
        
        Parameters
        ----------
        parameters : sequence of (weights, bias)
            As ``parameters()`` gives them: real, finite arrays of the same shapes.
        
        Raises
        ------
        ValueError, TypeError
            If shapes differ or a value is not finite; the parameters stay as they were then.
        """
    @property
    def _layers(self) -> list:
        ...
    @property
    def dtype(self) -> str:
        """
        'float32' or 'float64'.
        """
    @property
    def init(self) -> str:
        """
        The initialiser's name.
        """
    @property
    def input_dropout(self) -> float:
        """
        Fraction of the inputs dropped while training.
        """
    @property
    def inputs(self) -> int:
        """
        Columns of X.
        """
    @property
    def outputs(self) -> int:
        """
        Units of the last layer.
        """
    @property
    def parameter_count(self) -> int:
        """
        Weights and biases together.
        """
    @property
    def seed(self) -> int:
        """
        The seed of the initial weights.
        """
class NoiseEstimate:
    """
    How noisy a gradient is, of all parameters or of one layer's.
    
    Made by ``gradient_noise``. The rows measured count as a sample of all that there could be.
    """
    def __getstate__(self) -> tuple:
        ...
    def __repr__(self) -> str:
        ...
    def __setstate__(self, arg0: tuple) -> None:
        ...
    def confidence_interval(self, of: typing.Any = 'noise_scale', level: typing.Any = 0.95) -> tuple:
        """
        An interval that covers the true figure with the probability ``level``.
        
        From a jackknife that leaves out one group of rows at a time. From fewer than 4 rows it is
        everything.
        
        Parameters
        ----------
        of : {"noise_scale", "variance", "squared_norm"}
        level : float
            Between 0 and 1.
        
        Returns
        -------
        (low, high) : tuple of float
            ``high`` is infinite for a noise scale where |G|^2 may be 0 (Fieller 1954); ``low`` may be
            negative for ``squared_norm``.
        
        Raises
        ------
        ValueError
            If ``of`` or ``level`` is none of these.
        """
    def relative_standard_error(self, batch_size: typing.Any, population: typing.Any = None) -> float:
        """
        ``standard_error`` over |G|; infinite where ``squared_norm`` is not above 0.
        """
    def standard_error(self, batch_size: typing.Any, population: typing.Any = None) -> float:
        """
        The standard error of a minibatch's gradient, sigma / sqrt(N').
        
        Parameters
        ----------
        batch_size : int
            Rows of the minibatch, N'.
        population : int, optional
            The rows from which it is drawn without replacement, as in an epoch: the error is then smaller
            by sqrt(1 - batch_size / population). By default every row is drawn from all that could be.
        
        Returns
        -------
        float
            sqrt(tr Sigma / batch_size): the root of the mean of |G_B - G|^2 over minibatches. With
            weights of rows it counts a minibatch's gradient as the mean of its rows' weighted ones; a
            training step divides by the minibatch's own sum of weights, which differs by a part of
            1 / noise_scale.
        
        Raises
        ------
        ValueError
            If ``batch_size`` is below 1 or above ``population``.
        """
    @property
    def noise_scale(self) -> float:
        """
        tr Sigma / |G|^2, the simple noise scale (McCandlish et al. 2018).
        
        The batch size at which the noise of the gradient is as large as the gradient; infinite where
        ``squared_norm`` is not above 0: the rows do not show a gradient.
        """
    @property
    def squared_norm(self) -> float:
        """
        |G|^2, unbiased: from few rows it may come out negative.
        """
    @property
    def variance(self) -> float:
        """
        tr Sigma: the total variance of one row's gradient, unbiased.
        """
class GradientNoise(NoiseEstimate):
    """
    How noisy the gradient of a data set is.
    """
    def __getstate__(self) -> tuple[tuple, int, float, list[NoiseEstimate]]:
        ...
    def __repr__(self) -> str:
        ...
    def __setstate__(self, arg0: tuple) -> None:
        ...
    @property
    def layers(self) -> tuple:
        """
        A `NoiseEstimate` of each dense layer's weights and bias alone.
        """
    @property
    def loss(self) -> float:
        """
        J over them.
        """
    @property
    def rows(self) -> int:
        """
        Rows measured.
        """
class Trainer:
    """
    Trains a network: minibatches, epochs, stopping conditions.
    """
    @typing.overload
    def __init__(self, network: Network, loss: typing.Any, optimizer: typing.Any, batch_size: typing.Any, shuffle: typing.Any, seed: typing.Any, threads: typing.Any, l2: typing.Any, l1: typing.Any, divide_penalty: typing.Any, clip_norm: typing.Any, clip_value: typing.Any, average_decay: typing.Any, class_weight: typing.Any, label_smoothing: typing.Any, track_gradient_noise: typing.Any, device: typing.Any) -> None:
        ...
    @typing.overload
    def __init__(self, network: Network, like: Trainer, batch_size: typing.Any) -> None:
        ...
    @typing.overload
    def __init__(self, path: typing.Any, threads: typing.Any, learning_rate: typing.Any, device: typing.Any) -> None:
        """
        The trainer in a file.
        """
    def _averaged_network(self) -> Network:
        ...
    def _end_run(self) -> None:
        ...
    def _extra(self) -> tuple:
        ...
    def _fit(self, X: typing.Any, y: typing.Any, sample_weight: typing.Any, asked: dict) -> dict:
        ...
    def _fit_batches(self, begin: typing.Any, asked: dict) -> dict:
        ...
    def _save(self, path: typing.Any, extra_text: str | None = None, extra_arrays: collections.abc.Mapping[str, numpy.ndarray] = {}) -> None:
        ...
    def _set_averaged_parameters(self, parameters: typing.Any) -> None:
        ...
    def discard_run(self) -> None:
        """
        Give up the unfinished run of a loaded trainer.
        
        The next ``fit`` begins a run of its own with a new epoch. Parameters and optimizer stay as they
        are; without an unfinished run nothing changes.
        """
    def evaluate(self, X: typing.Any, y: typing.Any, metrics: typing.Any = None, sample_weight: typing.Any = None) -> dict:
        """
        Measure the network on some rows, in one pass over them; nothing changes.
        
        Parameters
        ----------
        X : array_like of shape (rows, inputs)
            As for ``fit``.
        y : array_like
            Class indices of shape (rows,), or targets of shape (rows, outputs).
        metrics : list of str or callable, optional
            As for ``fit``.
        sample_weight : array_like of shape (rows,), optional
        
        Returns
        -------
        dict
            ``"loss"``, the mean loss without a penalty, and each metric under its name. The outputs are those
            of ``network.predict``: dropout is off. Metrics need room for the outputs of all rows.
        
        Raises
        ------
        ValueError, TypeError
            If the arrays do not fit, or a metric does not go with the loss.
        """
    def run_epoch(self, X: typing.Any, y: typing.Any, order: typing.Any = None, sample_weight: typing.Any = None, *, check_finite: typing.Any = True) -> float:
        """
        Run one epoch of minibatches.
        
        Parameters
        ----------
        X : array_like of shape (rows, inputs)
            As for ``fit``.
        y : array_like
            Class indices of shape (rows,), or targets of shape (rows, outputs).
        order : array_like of int, optional
            Row indices in visiting order, any number of them; by default the epoch's own shuffle.
        sample_weight : array_like of shape (rows,), optional
        check_finite : bool
            Read ``X`` before the epoch and refuse NaN and infinity. ``False`` saves that pass in a loop
            over the same ``X``; what it misses is a ``FloatingPointError`` at its step.
        
        Returns
        -------
        float
            The mean loss over the rows visited, each taken before the update of its step.
        
        Raises
        ------
        ValueError, TypeError
            If the arrays do not fit; nothing changes then.
        FloatingPointError
            If the loss of a step is NaN or infinite, or its update would overflow. That step is not
            applied: parameters, optimizer state and ``steps`` are those of the step before.
        RuntimeError
            If the learning rate's callable raises; as for ``fit``.
        """
    def step(self, X: typing.Any, y: typing.Any, sample_weight: typing.Any = None) -> float:
        """
        Apply one optimizer step to a single minibatch.
        
        Parameters
        ----------
        X : array_like of shape (rows, inputs)
            As for ``fit``.
        y : array_like
            Class indices of shape (rows,), or targets of shape (rows, outputs).
        sample_weight : array_like of shape (rows,), optional
        
        Returns
        -------
        float
            The loss before the update.
        
        Raises
        ------
        ValueError, TypeError
            If the arrays do not fit; nothing changes then.
        FloatingPointError
            If the loss is NaN or infinite, or the update would overflow; nothing changes then.
        """
    @property
    def _unfinished_run(self) -> typing.Any:
        ...
    @property
    def average_decay(self) -> float | None:
        """
        The decay of the parameters' moving average; None: none is kept.
        """
    @property
    def batch_size(self) -> int | None:
        """
        Rows a step; None: all of them.
        """
    @property
    def class_weight(self) -> typing.Any:
        """
        A weight a class, "balanced", or None.
        """
    @property
    def clip_norm(self) -> float | None:
        """
        The largest norm that a step's gradient may have; None: any.
        """
    @property
    def clip_value(self) -> float | None:
        """
        The largest magnitude that an element of a step's gradient may have; None: any.
        """
    @property
    def device(self) -> str:
        """
        What the steps run on: "cpu" or "cuda".
        """
    @property
    def divide_penalty(self) -> bool:
        """
        Whether the penalty is divided by the minibatch's sum of weights.
        """
    @property
    def epoch(self) -> int:
        """
        Epochs that ended so far, those ended early among them.
        """
    @property
    def l1(self) -> float:
        """
        The factor of the sum of the weights' magnitudes in the loss.
        """
    @property
    def l2(self) -> float:
        """
        The factor of half the sum of the squared weights in the loss.
        """
    @property
    def label_smoothing(self) -> float:
        """
        How far the targets are drawn towards equal probabilities.
        """
    @property
    def last_steps(self) -> numpy.ndarray:
        """
        What the steps of the last ``run_epoch`` or ``step`` gave.
        
        An ndarray of shape (steps, 3), each before its update: the mean loss of the minibatch's rows,
        the penalty beside it, and the rows' sum of weights.
        """
    @property
    def learning_rate(self) -> typing.Any:
        """
        The learning rate from the next step on; may be set between two calls and in a
        callback.
        
        A number, a schedule of ``descend.schedules``, or a callable of the step, which is given its
        number over the trainer's life, from 1.
        """
    @learning_rate.setter
    def learning_rate(self, arg1: typing.Any) -> None:
        ...
    @property
    def loss(self) -> str:
        """
        The loss's name.
        """
    @property
    def optimizer(self) -> typing.Any:
        """
        The optimizer's settings, with the learning rate in use.
        """
    @property
    def optimizer_state(self) -> typing.Any:
        """
        The steps done and a copy of the vectors that the optimizer keeps.
        
        Each is flat, of the network's dtype: weights (inputs, units) in C order, then the bias, layer
        after layer. Setting it goes on from where another trainer of an equal network stood.
        """
    @optimizer_state.setter
    def optimizer_state(self, arg1: typing.Any) -> None:
        ...
    @property
    def seed(self) -> int:
        """
        The seed of the shuffle and the dropout masks.
        """
    @property
    def shuffle(self) -> bool:
        """
        Whether each epoch visits the rows in a new order.
        """
    @property
    def steps(self) -> int:
        """
        Optimizer steps done so far.
        """
    @property
    def track_gradient_noise(self) -> bool:
        """
        Whether ``fit`` records the noise scale of the gradient.
        """
def _fold_rows(rows: typing.SupportsInt | typing.SupportsIndex, folds: typing.Any, seed: typing.Any, classes: typing.Any) -> list:
    ...
def _train_test_rows(rows: typing.SupportsInt | typing.SupportsIndex, test_rows: typing.SupportsInt | typing.SupportsIndex, seed: typing.Any, classes: typing.Any) -> tuple:
    ...
def activations() -> list[str]:
    """
    Names of the activation functions.
    """
def build_info() -> dict:
    """
    What this build is and what it runs on.
    
    Returns
    -------
    dict
        ``version``, ``isa`` (the kernel set in use), ``available_isas`` (best first), ``openmp``,
        ``cuda`` (built with it), ``threads`` (the most a call uses) and ``compiler``.
    
    Raises
    ------
    ValueError
        If the environment variable ``DESCEND_ISA`` names a kernel set that is not available.
    """
def cuda_devices() -> list[str]:
    """
    Names of the GPUs that CUDA shows.
    
    Returns
    -------
    list of str
        Empty where descend was built without CUDA, or no driver or GPU is there. ``device="cuda"``
        runs on the first one.
    """
def devices() -> list[str]:
    """
    Names of what a Trainer may run on, with or without it.
    """
def gradient_noise(network: typing.Any, X: typing.Any, y: typing.Any, loss: typing.Any, sample_weight: typing.Any = None, order: typing.Any = None, threads: typing.Any = None, *, class_weight: typing.Any = None, label_smoothing: typing.Any = 0.0) -> GradientNoise:
    """
    Measure how much one row's gradient differs from the gradient of all rows.
    
    Every row's |g_i|^2 comes from backpropagation itself, as a sum over layers of
    |d_z_i|^2 (|x_i|^2 + 1) with the layer's inputs x (Goodfellow 2015, arXiv:1510.01799); no row's
    gradient is formed, and it takes 1.1 to 1.3 times as long as ``loss_and_gradient``. Dropout is off, and a
    penalty in the loss has no noise. The gradients of 8 to 16 groups of rows are held for the
    intervals, of fewer, but 4, where they would take more than 256 MiB.
    
    Parameters
    ----------
    network : Network
    X : array_like of shape (rows, inputs)
        As for ``Network.predict``.
    y : array_like
        Class indices of shape (rows,), or targets of shape (rows, outputs).
    loss : str
        One of ``descend.losses()``.
    sample_weight : array_like of shape (rows,), optional
        Finite, at least 0, not all 0. A row's gradient is then g_i = w_i / mean(w) dL_i / d theta,
        whose mean over the rows is the gradient G of J = sum_i w_i L_i / sum_i w_i.
    order : array_like of int, optional
        The rows to measure, by their indices; all of them by default.
    threads : int, optional
        How many threads to use; by default as many as the work is worth. The result is the same, bit
        for bit.
    class_weight : "balanced", dict or sequence of float, optional
        As for ``Trainer``: multiplies the weight of each row by that of its class. ``"balanced"`` counts
        the classes of all rows of ``y``, whatever ``order`` picks.
    label_smoothing : float
        As for ``Trainer``, in [0, 1).
    
    Returns
    -------
    GradientNoise
    
    Raises
    ------
    ValueError, TypeError
        If the arrays or options do not fit the network or the loss, or fewer than two rows are given.
    FloatingPointError
        If a row's loss or gradient is not finite.
    
    Examples
    --------
    >>> import numpy as np
    >>> from descend import Network, gradient_noise
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> noise = gradient_noise(Network.mlp([3, 8, 1]), X, X.sum(axis=1), loss="squared_error")
    >>> noise.standard_error(4) / noise.standard_error(64)
    4.0
    """
def initializers() -> list[str]:
    """
    Names of the initialisers.
    """
def losses() -> list[str]:
    """
    Names of the losses.
    """
def metric(name: typing.Any, outputs: typing.Any, targets: typing.Any, sample_weight: typing.Any = None, *, loss: typing.Any = None) -> float:
    """
    Compute one metric from a network's raw outputs.
    
    Metrics of classes are ``accuracy``, ``balanced_accuracy``, ``precision``, ``recall``, ``f1``,
    ``roc_auc`` and ``top_3_accuracy`` (with any number). With ``softmax_cross_entropy`` a row is
    decided for the class of its largest output; precision, recall, f1 and roc_auc are means over the
    classes. With ``sigmoid_cross_entropy`` each output is decided for yes where it is above 0, and a
    metric is that of yes; of several outputs it is the mean of theirs.
    
    Metrics of values are ``mean_absolute_error``, ``mean_squared_error``, ``root_mean_squared_error``
    and ``r2``: of the predicted mean, which is ``exp(outputs)`` with ``poisson``, the probabilities with
    the two losses above, and else the outputs; means over the outputs.
    
    All agree with scikit-learn's functions; see ``descend/metric.hpp`` for formulas, ties and classes
    that no row is of.
    
    Parameters
    ----------
    name : str
        One of ``descend.metrics()``, a number in the place of k.
    outputs : array_like of shape (rows, outputs)
        As ``Network.predict`` gives them.
    targets : array_like
        What the loss takes: class indices of shape (rows,), or targets of shape (rows, outputs).
    sample_weight : array_like of shape (rows,), optional
        Finite, at least 0, not all 0.
    loss : str, optional
        The loss that the network was trained by. By default, for metrics of classes,
        ``softmax_cross_entropy``, or ``sigmoid_cross_entropy`` where there is one output; for metrics of
        values ``squared_error``.
    
    Returns
    -------
    float
        Summed in double precision; NaN where an output is NaN or the metric is not defined, such as
        roc_auc where all rows are of one class.
    
    Raises
    ------
    ValueError, TypeError
        If the arrays do not fit each other, the loss or the metric.
    """
def metrics() -> list[str]:
    """
    Names of the metrics; the k in ``top_k_accuracy`` stands for a number.
    """
def optimizers() -> list[str]:
    """
    Names of the optimizer classes.
    """
def schedule_names() -> list[str]:
    """
    The kinds of learning rate schedules.
    """
