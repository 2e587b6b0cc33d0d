"""The committed type stubs of the extension are what the generator writes for it today."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "python" / "descend"

pytestmark = pytest.mark.no_sanitizer  # runs none of the core


def stubs(package: Path) -> dict[str, str]:
    """Return the extension's stubs by file name, as code without its layout."""
    return {
        path.name: ast.unparse(ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted((package / "_core").glob("*.pyi"))
    }


def test_committed_stubs_are_fresh(tmp_path: Path) -> None:
    command = ["-m", "pybind11_stubgen", "descend._core", "--exit-code", "--output-dir", tmp_path]
    finished = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    generated = stubs(tmp_path / "descend")
    assert "__init__.pyi" in generated
    assert generated == stubs(PACKAGE), "write them again: nox -s stubs"
