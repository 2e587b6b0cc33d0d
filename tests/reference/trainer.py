"""Batch and minibatch gradient descent over a reference network."""

import numpy as np

from reference import dropout
from reference.losses import rows_weights, smoothed
from reference.philox import EPOCH_DROPOUT, STEP_DROPOUT
from reference.shuffle import permutation


class Trainer:
    """Trains ``network`` in place; ``epoch`` and ``steps`` count over the trainer's life.

    The loss is J + l2 / 2 ||W||^2 + l1 ||W||_1 over all weights W, the penalty divided by the
    minibatch's sum of weights where ``divide_penalty`` says so. Its gradient is clipped to
    [-clip_value, clip_value], then to a norm of ``clip_norm``. ``average`` holds the moving average
    of the parameters where there is an ``average_decay``. ``class_weight`` is a weight a class, or
    "balanced".
    """

    def __init__(
        self,
        network,
        loss,
        optimizer,
        batch_size=64,
        shuffle=True,
        seed=0,
        l2=0.0,
        l1=0.0,
        divide_penalty=False,
        clip_norm=None,
        clip_value=None,
        average_decay=None,
        class_weight=None,
        label_smoothing=0.0,
    ):
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.l2, self.l1, self.divide_penalty = l2, l1, divide_penalty
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.average_decay = average_decay
        self.class_weight, self.label_smoothing = class_weight, label_smoothing
        self.average = [[part.copy() for part in pair] for pair in network.parameters]
        self.epoch = 0
        self.steps = 0
        self._states = [[optimizer.init(p) for p in pair] for pair in network.parameters]

    def _masks(self, rows, third, purpose):
        widths = [self.network.inputs, *(layer.units for layer in self.network.layers)]
        rates = self.network.dropout_rates
        return [
            dropout.mask(
                rate, rows, widths[layer], self.seed, third, purpose | layer, self.network.dtype
            )
            if rate > 0
            else None
            for layer, rate in enumerate(rates)
        ]

    def _add_penalty(self, gradient, rows_weight):
        """Return the penalty and the gradient with the penalty's."""
        scale = 1 / rows_weight if self.divide_penalty else 1.0
        penalty, total = 0.0, []
        for (w, _), (d_w, d_b) in zip(self.network.parameters, gradient, strict=True):
            penalty += scale * (self.l2 / 2 * (w**2).sum() + self.l1 * np.abs(w).sum())
            total.append((d_w + scale * (self.l2 * w + self.l1 * np.sign(w)), d_b))
        return penalty, total

    def _clipped(self, gradient):
        if self.clip_value is not None:
            most = self.clip_value
            gradient = [tuple(np.clip(part, -most, most) for part in pair) for pair in gradient]
        if self.clip_norm is not None:
            squares = sum((part**2).sum() for pair in gradient for part in pair)
            if squares > self.clip_norm**2:
                factor = self.clip_norm / np.sqrt(squares)
                gradient = [tuple(factor * part for part in pair) for pair in gradient]
        return gradient

    def _take_average(self):
        if self.average_decay is None:
            return
        for pair, averages in zip(self.network.parameters, self.average, strict=True):
            for theta, average in zip(pair, averages, strict=True):
                average *= self.average_decay
                average += (1 - self.average_decay) * theta

    def _descend(self, x, y, sample_weight, masks):
        """Apply one step and return the loss before it."""
        y = smoothed(self.loss, y, self.network.layers[-1].units, self.label_smoothing)
        j, gradient = self.network.loss_and_gradient(x, y, self.loss, sample_weight, masks)
        rows_weight = len(x) if sample_weight is None else np.sum(sample_weight)
        penalty, gradient = self._add_penalty(gradient, rows_weight)
        j += penalty
        gradient = self._clipped(gradient)
        self.steps += 1
        for parameters, derivatives, states in zip(
            self.network.parameters, gradient, self._states, strict=True
        ):
            for theta, g, state in zip(parameters, derivatives, states, strict=True):
                is_weights = theta.ndim == 2
                self.optimizer.update(theta, g, state, self.steps, decay=is_weights)
        self._take_average()
        return j

    def step(self, x, y, sample_weight=None):
        """Take one step on a single minibatch."""
        masks = self._masks(np.arange(len(x)), self.steps, STEP_DROPOUT)
        return self._descend(x, y, rows_weights(y, sample_weight, self.class_weight), masks)

    def run_epoch(self, x, y, order=None, sample_weight=None):
        """Visit every row once, or the rows of ``order``; return the mean loss over them."""
        x, y = np.asarray(x), np.asarray(y)
        weights = rows_weights(y, sample_weight, self.class_weight)
        if order is None and self.shuffle:
            order = permutation(len(x), self.seed, self.epoch)
        order = np.arange(len(x)) if order is None else np.asarray(order)
        size = self.batch_size or len(order)
        total = 0.0
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            w = weights[rows]
            # Nothing to learn from, and no mean: the minibatch is passed over.
            if w.sum() == 0:
                continue
            masks = self._masks(rows, self.epoch, EPOCH_DROPOUT)
            total += w.sum() * self._descend(x[rows], y[rows], w, masks)
        self.epoch += 1
        return total / weights[order].sum()
