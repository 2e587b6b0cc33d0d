"""Hypothesis profiles: the same bounded examples in every run, or many new ones.

HYPOTHESIS_PROFILE=thorough pytest  looks further, and "few" is for builds that are slow themselves.
"""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("ci"), max_examples=1000, derandomize=False
)
settings.register_profile("few", settings.get_profile("ci"), max_examples=12)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A job that a shell starts in the background ignores Ctrl-C, which is among the things tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_figures(monkeypatch):
    """Do as if matplotlib were not installed: figures take most of the time of a short run."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


@pytest.fixture
def descend(capsys, empty_folder):
    """Run the command line here, in an empty folder; gives exit code, output and error output."""
    from descend.cli import main

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        return code, *capsys.readouterr()

    return run
