"""The README's code runs, and its tables name what the library has."""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import descend as ds

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def table_row(first_cell):
    (row,) = re.findall(rf"^\| {first_cell} \| (.*) \|$", README, re.MULTILINE)
    return re.findall(r"`(\w+)\.?`", row)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_code_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_the_first_example_learns_digits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {"__name__": "readme"})
    assert float(capsys.readouterr().out.split()[-1]) > 0.93
    assert ds.Network.load("digits.safetensors").inputs == 64


@pytest.mark.no_sanitizer
@pytest.mark.parametrize("code", blocks("cpp"))
def test_cpp_code_compiles(code, tmp_path):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    (tmp_path / "main.cpp").write_text(code)
    flags = ["-std=c++17", "-pedantic-errors", "-Wall", "-Werror", "-fsyntax-only"]
    command = [compiler, *flags, f"-I{ds.get_include()}", "main.cpp"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


SCHEDULES = set(ds.schedules.__all__) - {"names"} | {"schedules"}


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("activations", ds.activations()),
        ("losses", ds.losses()),
        ("metrics", ds.metrics()),
        ("optimizers", ds.optimizers()),
        ("learning rates", SCHEDULES),
        ("initializers", ds.initializers()),
        ("stopping conditions", [field.name for field in dataclasses.fields(ds.Stop)]),
    ],
)
def test_the_table_names_what_the_library_has(row, names):
    assert sorted(table_row(row)) == sorted(names)


def test_the_commands_are_those_promised():
    shell = "".join(blocks("sh"))
    assert 'pip install ".[demo]" && descend train digits\n' in shell
    assert 'pip install ".[test]" && pytest\n' in shell


def test_links_to_files_are_right():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (Path(__file__).parents[1] / target).exists(), target
