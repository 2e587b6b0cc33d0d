"""Pages in Markdown: their pieces of code, and a run through all of them in order.

A page's pieces continue each other in one folder. ``python`` is executed in one namespace, ``sh``
by bash; a piece behind a line that holds a file's name alone, such as `main.cpp`:, is that file.
A ``text`` piece is what the piece before it prints, with ... for what may vary. Pieces that
install something are left out, and so are those that import a library that is not installed.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]

_PIECE = re.compile(
    r"^(?:`(?P<file>[\w./-]+)`:\n\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_RUN = ("python", "sh", "text")


@dataclass(frozen=True)
class Piece:
    """One fenced piece of code, and the line of the page on which it begins."""

    language: str
    code: str
    file: str | None
    line: int


def pieces_of(path: Path) -> list[Piece]:
    """Return the fenced pieces of a page, from its first to its last."""
    text = path.read_text(encoding="utf-8")
    return [
        Piece(
            match["language"],
            match["code"],
            match["file"],
            text.count("\n", 0, match.start("code")) + 1,
        )
        for match in _PIECE.finditer(text)
    ]


def missing_library(code: str) -> str | None:
    """Return the first library that ``code`` imports and that is not installed."""
    for name in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        if find_spec(name) is None:
            return name
    return None


def run_page(path: Path, folder: Path) -> list[str]:
    """Run a page's pieces in ``folder``, the current one; return the libraries that it lacked."""
    namespace: dict[str, object] = {"__name__": path.stem}
    printed = ""
    lacked = []
    for piece in pieces_of(path):
        place = f"{path.name}:{piece.line}"
        if piece.file is not None:
            (folder / piece.file).write_text(piece.code, encoding="utf-8")
            continue
        assert piece.language in _RUN, f"{place}: nobody runs {piece.language}"
        if piece.language == "text":
            check_printed(printed, piece.code, place)
        elif piece.language == "sh":
            printed = "" if installs(piece.code) else run_shell(piece.code, folder, place)
        elif (library := missing_library(piece.code)) is not None:
            lacked.append(library)
        else:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(piece.code, place, "exec"), namespace)
            printed = out.getvalue()
    return lacked


def installs(code: str) -> bool:
    """Whether every command of ``code`` is one of pip's."""
    return all(line.startswith("pip install") for line in code.splitlines())


def run_shell(code: str, folder: Path, place: str) -> str:
    """Run commands with this Python's programs first; return their standard output."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env={**os.environ, "PATH": path, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{place}:\n{done.stdout}{done.stderr}"
    return done.stdout


def check_printed(printed: str, expected: str, place: str) -> None:
    """Compare what was printed with what the page shows."""
    # Behind the name of a column that has no more cells there is nothing to see.
    printed = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    right = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)
    assert right, f"{place}: the page shows\n{expected}but this was printed:\n{printed}"
