"""Tables in Markdown, where they were taken, and their place in README.md."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["circumstances", "format_table", "publish"]

FOLDER = Path(__file__).parent
PACKAGES = ["descend", "torch", "jax", "scikit-learn", "numpy"]


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table: the first column to the left, the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        "| " + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) + " |"
        for line in lines
    )


def circumstances() -> str:
    """Say in one sentence where, when and with what a measurement was taken."""
    date = datetime.now(timezone.utc).date().isoformat()
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES if _version(name))
    python = platform.python_version()
    return f"{_processor()}; {date}; commit {_commit()}; Python {python}, {versions}."


def publish(section: str, text: str) -> None:
    """Put ``text`` between the marks of ``section`` in README.md, with its circumstances."""
    path = FOLDER / "README.md"
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    content = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{begin}.*?{end}", re.DOTALL)
    replacement = f"{begin}\n{text}\n\n{circumstances()}\n{end}"
    path.write_text(pattern.sub(lambda _: replacement, content, count=1), encoding="utf-8")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    answer = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        names = []
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()
