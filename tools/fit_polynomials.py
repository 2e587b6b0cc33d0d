"""Fit the polynomials of csrc/kernels/math.hpp and print their coefficient tables.

Each is the minimax polynomial in the relative error, found by Remez' exchange algorithm in
50-digit arithmetic and rounded to the type; coefficients go from the constant term up. The error
printed is that of the rounded coefficients, evaluated exactly.

Run ``python tools/fit_polynomials.py`` (needs mpmath).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import mpmath
from mpmath import mp, mpf

mp.dps = 50

Function = Callable[[mpf], mpf]

GRID = 600
EXCHANGES = 30
# Chosen by trial: few terms, and none so large that terms cancel at either end.
TAIL_FOLD = mpf(4)
TAIL_CENTRE = mpf("0.375")


def expm1_remainder(r: mpf) -> mpf:
    """(exp(r) - 1 - r) / r^2."""
    if abs(r) < mpf("1e-15"):
        return mpf(1) / 2 + r / 6
    return (mpmath.expm1(r) - r) / r**2


def log_remainder(t: mpf) -> mpf:
    """(log((1 + s) / (1 - s)) / s - 2) / t with t = s^2."""
    if t < mpf("1e-15"):
        return mpf(2) / 3 + 2 * t / 5
    s = mpmath.sqrt(t)
    return (2 * mpmath.atanh(s) / s - 2) / t


def tail_remainder(t: mpf) -> mpf:
    """Q(u) exp(u^2 / 2) (u + fold), t = u / (u + fold) - centre, Q the normal upper tail."""
    ratio = t + TAIL_CENTRE
    u = TAIL_FOLD * ratio / (1 - ratio)
    return mpmath.erfc(u / mpmath.sqrt(2)) / 2 * mpmath.exp(u**2 / 2) * (u + TAIL_FOLD)


def chebyshev_grid(low: mpf, high: mpf, count: int) -> list[mpf]:
    """``count`` points in ascending order, denser towards both ends, which are among them."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle - half * mpmath.cos(mpmath.pi * i / (count - 1)) for i in range(count)]


def evaluate(coefficients: list[mpf], x: mpf) -> mpf:
    return mpmath.polyval(coefficients[::-1], x)


def solve_on(points: list[mpf], values: list[mpf], degree: int) -> list[mpf]:
    """Coefficients whose relative error at degree + 2 points is level and alternates in sign."""
    size = degree + 2
    system = mpmath.matrix(size, size)
    for row, (x, value) in enumerate(zip(points, values, strict=True)):
        for column in range(degree + 1):
            system[row, column] = x**column
        system[row, size - 1] = value if row % 2 else -value
    return list(mpmath.lu_solve(system, mpmath.matrix(values)))[:-1]


def extremes(errors: list[mpf], count: int) -> list[int]:
    """Places of the largest error in each run of one sign; ``count`` neighbouring runs."""
    places = [0]
    for i, error in enumerate(errors):
        if (error > 0) != (errors[places[-1]] > 0):
            places.append(i)
        elif abs(error) > abs(errors[places[-1]]):
            places[-1] = i
    while len(places) > count:
        places.pop(0 if abs(errors[places[0]]) < abs(errors[places[-1]]) else -1)
    return places


def fit(function: Function, low: mpf, high: mpf, degree: int) -> list[mpf]:
    """The polynomial of least relative error on [low, high]."""
    grid = chebyshev_grid(low, high, GRID)
    values = [function(x) for x in grid]
    places = [round(i * (GRID - 1) / (degree + 1)) for i in range(degree + 2)]
    for _ in range(EXCHANGES):
        coefficients = solve_on([grid[i] for i in places], [values[i] for i in places], degree)
        errors = [evaluate(coefficients, x) / y - 1 for x, y in zip(grid, values, strict=True)]
        new_places = extremes(errors, degree + 2)
        if new_places == places:
            break
        if len(new_places) < degree + 2:
            raise RuntimeError(f"degree {degree}: the error alternates {len(new_places)} times")
        places = new_places
    return coefficients


def rounded(x: mpf, dtype: str) -> float:
    """``x`` rounded to the type."""
    if dtype == "double":
        return float(x)
    return struct.unpack("f", struct.pack("f", float(x)))[0]


def literal(x: float, dtype: str) -> str:
    """``x`` in C++, with digits enough to read back the same value."""
    return f"{x:.8e}f" if dtype == "float" else f"{x:.16e}"


def report(name: str, function: Function, low: mpf, high: mpf, degree: int, dtype: str) -> None:
    """Fit, round and print one table."""
    coefficients = [rounded(c, dtype) for c in fit(function, low, high, degree)]
    exact = [mpf(c) for c in coefficients]
    error = max(
        abs(evaluate(exact, x) / function(x) - 1) for x in chebyshev_grid(low, high, 4 * GRID)
    )
    print(f"{dtype} {name}, degree {degree}: relative error 2^{float(mpmath.log(error, 2)):.1f}")
    for coefficient in coefficients:
        print(f"    {literal(coefficient, dtype)},")


def report_all(
    dtype: str, expm1_degree: int, log_degree: int, tail_degree: int, tail_end: mpf
) -> None:
    """Print every table and constant of one type; past ``tail_end`` exp(-u^2 / 2) is 0."""
    ln2 = mpmath.log(2)
    # A little more than the reduced arguments, which are rounded.
    margin = mpf("1.0001")
    largest_s = (mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1)
    largest_t = tail_end / (tail_end + TAIL_FOLD) - TAIL_CENTRE
    report("expm1", expm1_remainder, -ln2 / 2 * margin, ln2 / 2 * margin, expm1_degree, dtype)
    report("log", log_remainder, mpf(0), largest_s**2 * margin, log_degree, dtype)
    report("normal_tail", tail_remainder, -TAIL_CENTRE, largest_t, tail_degree, dtype)
    for name, value in (
        ("1 / ln 2", 1 / ln2),
        ("ln 2, high", ln2),
        ("ln 2, low", ln2 - mpf(rounded(ln2, dtype))),
        ("1 / sqrt(2 pi)", 1 / mpmath.sqrt(2 * mpmath.pi)),
    ):
        print(f"{dtype} {name}: {literal(rounded(value, dtype), dtype)}")


def main() -> None:
    report_all("float", expm1_degree=4, log_degree=2, tail_degree=9, tail_end=mpf("14.5"))
    report_all("double", expm1_degree=9, log_degree=6, tail_degree=23, tail_end=mpf(39))


if __name__ == "__main__":
    main()
