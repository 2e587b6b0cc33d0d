"""Initial weights: the scale of each initialiser and its exact draws.

n inputs, m units; a uniform's scale is its limit, a normal's its standard deviation.
"""

import math

import numpy as np

from reference.philox import WEIGHTS, Stream


def _uniforms(stream, count):
    return 2 * stream.uniforms(count) - 1


def _normals(stream, count):
    """Marsaglia's polar method: pairs in the unit disc, each giving two normals."""
    normals = np.empty((0, 2))
    while normals.size < count:
        v = 2 * stream.uniforms(2 * count).reshape(count, 2) - 1
        s = (v**2).sum(axis=1)
        inside = (s < 1) & (s != 0)
        v, s = v[inside], s[inside]
        normals = np.concatenate([normals, v * np.sqrt(-2 * np.log(s) / s)[:, None]])
    return normals.ravel()[:count]


INITIALIZERS = {
    "standard_normal": (_normals, lambda n, m: 1.0),
    "glorot_uniform": (_uniforms, lambda n, m: math.sqrt(6 / (n + m))),
    "glorot_normal": (_normals, lambda n, m: math.sqrt(2 / (n + m))),
    "he_normal": (_normals, lambda n, m: math.sqrt(2 / n)),
    "he_uniform": (_uniforms, lambda n, m: math.sqrt(6 / n)),
    "lecun_normal": (_normals, lambda n, m: math.sqrt(1 / n)),
}


def is_uniform(name):
    return INITIALIZERS[name][0] is _uniforms


def scale(name, inputs, units):
    """Return the limit of a uniform, the standard deviation of a normal."""
    return INITIALIZERS[name][1](inputs, units)


def draw(name, inputs, units, layer, seed, dtype=np.float64):
    """Return the initial (inputs, units) weights of dense layer ``layer`` (from 0)."""
    sample, _ = INITIALIZERS[name]
    unscaled = sample(Stream(seed, layer, WEIGHTS), inputs * units)
    return (unscaled * scale(name, inputs, units)).reshape(inputs, units).astype(dtype)
