"""Learning rate schedules: the rate of step t, from 1."""

import math


def progress(t, steps):
    return min((t - 1) / steps, 1.0)


def constant(t, rate):
    return rate


def step(t, initial, steps, factor):
    return initial * factor ** ((t - 1) // steps)


def exponential(t, initial, steps, factor):
    return initial * factor ** ((t - 1) / steps)


def cosine(t, initial, steps, final):
    return final + (initial - final) * (1 + math.cos(math.pi * progress(t, steps))) / 2


def linear(t, initial, steps, final):
    return initial + (final - initial) * progress(t, steps)


def inverse_scaling(t, initial, power):
    return initial / t**power


def one_cycle(t, peak, steps, rise, start_divisor, final_divisor):
    k, top, last = t - 1, max(rise * steps - 1, 0), steps - 1
    start = peak / start_divisor
    if k < top:
        return start + (peak - start) * (1 - math.cos(math.pi * k / top)) / 2
    p = min((k - top) / (last - top), 1.0) if last > top else float(k > top)
    final = start / final_divisor
    return final + (peak - final) * (1 + math.cos(math.pi * p)) / 2


def warm_up(schedule, t, steps, start):
    """Give the rate of ``schedule``, a function of t, behind a warm-up."""
    if t > steps:
        return schedule(t - steps)
    return schedule(1) * (start + (1 - start) * t / steps)


SCHEDULES = {
    schedule.__name__: schedule
    for schedule in (constant, step, exponential, cosine, linear, inverse_scaling, one_cycle)
}
