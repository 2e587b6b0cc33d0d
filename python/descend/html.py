"""Tables for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["table"]


def table(caption: str, header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table of any values, its first column a heading of each row."""
    lines = ["<table>", f"<caption>{escape(caption)}</caption>"]
    if header:
        cells = "".join(f"<th>{escape(str(cell))}</th>" for cell in header)
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    lines.append("<tbody>")
    for first, *others in rows:
        cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in others)
        lines.append(f"<tr><th>{escape(str(first))}</th>{cells}</tr>")
    lines += ["</tbody>", "</table>"]
    return "\n".join(lines)
