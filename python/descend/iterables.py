"""Arguments that are iterables, read once."""

from __future__ import annotations

from typing import Any

__all__ = ["listed"]


def listed(where: str, what: str, expected: str, value: Any) -> list[Any]:
    """Give the items of ``value``; TypeError names it, and what was expected, where it has none."""
    try:
        items = iter(value)
    except TypeError:
        raise TypeError(f"{where}: {what} must be {expected}, got {value!r}.") from None
    return list(items)
