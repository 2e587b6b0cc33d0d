"""How results are compared: to the bit, or within what rounding allows.

A sum of n rounded products is off by about sqrt(n) units in the last place of its largest
terms, so a tolerance follows from the dtype and the lengths of the sums that led to a value.
"""

import numpy as np

# Room for the scalar functions (a few ULP each) and for the tail of the rounding errors.
_PER_SUM = 16


def tolerance(dtype, *lengths):
    """Return the relative tolerance after one sum of each of ``lengths`` terms, in turn."""
    return float(np.finfo(dtype).eps) * _PER_SUM * sum(1 + n**0.5 for n in (*lengths, 1))


def assert_close(actual, expected, rtol, what="result"):
    """Compare arrays of one shape, relative to the largest magnitude in ``expected``.

    An element that nearly cancels has the error of the terms that cancelled. Kernels flush
    subnormal numbers to zero, hence the smallest normal number beside the relative tolerance.
    """
    actual, expected = np.asarray(actual), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"{what}: {actual.shape} is not {expected.shape}"
    if expected.size == 0:
        return
    tiny = np.finfo(actual.dtype if actual.dtype.kind == "f" else np.float64).tiny
    allowed = rtol * np.abs(expected).max() + 4 * float(tiny)
    error = np.abs(actual.astype(np.float64) - expected)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    assert error[worst] <= allowed, (
        f"{what} {actual.dtype} {actual.shape}: element {tuple(map(int, worst))} is "
        f"{actual[worst]!r}, not {expected[worst]!r}; off by {error[worst]:.3g}, "
        f"allowed {allowed:.3g}"
    )


def assert_layers_close(actual, expected, rtol, what):
    """Compare lists of (weights, bias), or of their gradients, each against its largest value.

    A layer's weights and bias share their scale: a gradient of the bias may nearly cancel.
    """
    assert len(actual) == len(expected)
    for index, (ours, theirs) in enumerate(zip(actual, expected, strict=True)):
        largest = max(np.abs(part).max() for part in theirs)
        for name, a, e in zip(("weights", "bias"), ours, theirs, strict=True):
            scale = largest / max(np.abs(e).max(), np.finfo(np.float64).tiny)
            assert_close(a, e, rtol * max(scale, 1.0), f"{what} of layer {index}'s {name}")


def ulps(actual, expected):
    """Return the distance from ``expected`` in units in the last place of actual's dtype."""
    expected = np.asarray(expected, np.float64)
    spacing = np.spacing(np.abs(expected).astype(actual.dtype)).astype(np.float64)
    return np.abs(actual.astype(np.float64) - expected) / spacing


def same_bits(actual, expected):
    """Whether two (nested) lists of arrays or numbers are equal to the bit."""
    if isinstance(actual, (list, tuple)):
        return len(actual) == len(expected) and all(map(same_bits, actual, expected))
    actual, expected = np.asarray(actual), np.asarray(expected)
    return (
        actual.dtype == expected.dtype
        and actual.shape == expected.shape
        and actual.tobytes() == expected.tobytes()
    )
