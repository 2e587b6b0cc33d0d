"""What the commands print: lines, whatever stands in a file that they quote from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["labels", "listed", "one_line", "say"]

_MOST_LISTED = 20
_LONGEST_LABEL = 16


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


def labels(names: Sequence[str]) -> list[str]:
    """Cut names for a figure to a line of few letters, different names to different labels.

    What of a long name is left out, its end, middle or beginning, is the same for all: the first of
    these that tells them apart; else each has its number, from 1, before it.
    """
    lines = [one_line(name) for name in names]
    kept = _LONGEST_LABEL - 1
    for head in (kept, kept - kept // 2, 0):
        cut = [_without_middle(line, head, kept - head) for line in lines]
        if len(set(cut)) == len(set(names)):
            return cut
    return [
        f"{number}: {_without_middle(line, kept - 4, 0)}" for number, line in enumerate(lines, 1)
    ]


def _without_middle(line: str, head: int, tail: int) -> str:
    if len(line) <= head + 1 + tail:
        return line
    return f"{line[:head]}…{line[len(line) - tail :]}"
