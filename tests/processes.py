"""Python in a process of its own, and one for each kernel set."""

import os
import subprocess
import sys
from pathlib import Path

import descend as ds

TESTS = Path(__file__).parent


def python(*arguments, **environment):
    """Run Python among the tests with ``environment`` added; give the finished process."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=TESTS,
    )


def lines_of_each_kernel_set(*arguments):
    """Give {kernel set: lines printed}; the program prints the set in use, and then the lines."""
    printed = {}
    for isa in ds.build_info()["available_isas"]:
        run = python(*arguments, DESCEND_ISA=isa)
        assert run.returncode == 0, run.stderr
        used, *printed[isa] = run.stdout.splitlines()
        assert used == isa
    return printed
