"""import descend is cheap and brings nothing but NumPy."""

import os
import subprocess
import sys

import pytest

MOST_SECONDS = 0.050
RUNS = 7

TIMED = """
import time, numpy
begin = time.perf_counter()
import descend
print(time.perf_counter() - begin)
"""

LISTED = """
import sys, numpy
before = {name.partition(".")[0] for name in sys.modules}
import descend
after = {name.partition(".")[0] for name in sys.modules}
print(*sorted(after - before - set(sys.stdlib_module_names)))
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=os.sep,
    ).stdout


@pytest.mark.no_sanitizer
def test_import_costs_at_most_50_ms_beyond_numpy():
    # The least of several: a busy machine slows some runs, and never speeds one up.
    assert min(float(run(TIMED)) for _ in range(RUNS)) <= MOST_SECONDS


def test_import_brings_nothing_but_numpy_and_the_standard_library():
    assert run(LISTED).split() == ["descend"]


def test_import_prints_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import descend"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == done.stderr == b""
