"""The README's code runs, and its tables name what the library has."""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import descend as ds
from pages import run_shell

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


@pytest.mark.no_sanitizer  # bash starts the programs
def test_the_commands_on_a_file_run(tmp_path):
    (code,) = [code for code in blocks("sh") if "descend predict" in code]
    draw = np.random.default_rng(0)
    X, town = draw.normal(size=(200, 2)), draw.choice(["Bonn", "Kiel", ""], size=200)
    answer = np.where(X[:, 0] > X[:, 1], "yes", "no")
    rows = [f"{a},{b},{name},{y}" for (a, b), name, y in zip(X, town, answer, strict=True)]
    for name in ("data.csv", "new_data.csv", "more_data.csv"):
        (tmp_path / name).write_text("\n".join(["a,b,town,y", *rows]) + "\n")
    out = run_shell(code, tmp_path, "README.md")
    assert float(out.partition("accuracy ")[2].split()[0]) > 0.85
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "model.safetensors",
        "history.csv",
        "learning_curves.png",
        "confusion_matrix.png",
        "report.html",
    }
    assert (tmp_path / "run.ckpt").is_file()
    assert (tmp_path / "predictions.csv").read_text().count("\n") == 201
    with_run = run_shell("descend resume run.ckpt", tmp_path, "README.md")
    assert with_run.partition("accuracy")[2].split()[0] == out.partition("accuracy")[2].split()[0]
