"""What the commands print: lines, whatever stands in a file that they quote from."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["listed", "one_line", "say"]

_MOST_LISTED = 20


def one_line(text: str) -> str:
    """Give a text without line ends and control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def listed(names: Iterable[str]) -> str:
    """Join names with commas, of many the first ones, so that an error stays readable."""
    names = list(names)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def say(what: str, text: str) -> None:
    """Print a word and what it says, on one line of standard output."""
    print(f"{what:<9} {one_line(text)}", flush=True)
