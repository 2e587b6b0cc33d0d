"""``descend info``: what this build is and what it runs on; and its single facts."""

from __future__ import annotations

from typing import Any

import descend
from descend.cli.errors import UsageError

__all__ = ["run", "show"]


def run() -> None:
    """Print ``build_info()``, one fact a line."""
    facts = _build_info()
    width = max(map(len, facts))
    for name, fact in facts.items():
        if isinstance(fact, bool):
            fact = "yes" if fact else "no"
        elif isinstance(fact, list):
            fact = ", ".join(fact)
        print(f"{name.replace('_', ' '):<{width}}  {fact}")


def show(fact: str) -> None:
    """Print the version, or a folder of the C++ package."""
    if fact == "version":
        print(f"descend {_build_info()['version']}")
    elif fact == "include":
        print(descend.get_include())
    else:
        print(descend.get_cmake_dir())


def _build_info() -> dict[str, Any]:
    try:
        return descend.build_info()
    except ValueError as error:  # an environment variable is wrong
        raise UsageError(str(error)) from error
