"""What the options' texts mean; one that means nothing is refused in words for the user."""

from __future__ import annotations

import argparse

__all__ = ["count", "fraction", "metrics", "seconds", "seed", "units"]


def units(text: str) -> list[int]:
    """Units of each layer: 256,128, or nothing."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of whole numbers from 1 on, such as 256,128"
        )
    return [int(part) for part in parts]


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 on, of 64 bits."""
    if not text.strip().isdecimal() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2^64 - 1")
    return int(text)


def metrics(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def seconds(text: str) -> float:
    """A number from 0 on."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 on")
    return seconds


def fraction(text: str) -> float:
    """A number in [0, 1)."""
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1, without 1")
    return fraction
