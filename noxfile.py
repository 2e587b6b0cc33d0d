"""The project's tasks: ``nox -s tests``, ``lint``, ``cpp``, ``sanitize``, ``bench``, ``stubs``."""

import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]

ROOT = Path(__file__).parent


@nox.session
def tests(session: nox.Session) -> None:
    """Install the package and run the whole suite; arguments go to pytest."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of Python and C++ and the types of the package."""
    session.install("clang-format==23.*", "mypy>=1.11", "numpy", "ruff>=0.12")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    sources = sorted(
        str(path.relative_to(ROOT))
        for folder in ("benchmarks", "csrc", "examples/cpp", "tests/cpp")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".cpp", ".hpp", ".cu", ".cuh"}
    )
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session
def cpp(session: nox.Session) -> None:
    """Build the C++ library without Python and run its tests; an argument names the preset."""
    session.install("cmake>=3.21", "ninja")
    preset = session.posargs[0] if session.posargs else "release"
    # The kernels of a GPU, which nothing here runs, are built with the package.
    session.run("cmake", "--preset", preset, "-DDESCEND_CUDA=OFF")
    session.run("cmake", "--build", "--preset", preset)
    session.run("ctest", "--preset", preset)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the suite with the extension built for AddressSanitizer and UndefinedBehaviorSanitizer.

    Left out are tests marked ``no_sanitizer``: compilers and other programs that they start would
    run with the sanitizer's runtime preloaded, or link the sanitized library without it; those
    marked ``slow``, which would take minutes; and those of the estimators and the command line,
    which come to the library by the calls that other tests make. Hypothesis draws fewer examples.
    """
    session.install(
        ".[test]",
        "pytest-xdist>=3.5",
        env={
            "CXXFLAGS": "-O1",
            "DESCEND_CUDA": "OFF",
            "DESCEND_SANITIZE": "address,undefined",
            "SKBUILD_CMAKE_BUILD_TYPE": "Debug",
        },
    )
    # Python itself is not sanitized, so the runtime has to come before anything that it loads.
    runtimes = [_compiler_file("libasan.so"), _compiler_file("libstdc++.so")]
    session.run(
        "python",
        "-m",
        "pytest",
        "-m",
        "not no_sanitizer and not slow",
        "--ignore-glob=tests/test_sklearn*",
        "--ignore-glob=tests/test_cli*",
        "--numprocesses=auto",
        *session.posargs,
        env={
            "ASAN_OPTIONS": "detect_leaks=0",  # Python leaves interned objects behind
            "HYPOTHESIS_PROFILE": "few",
            "LD_PRELOAD": " ".join(runtimes),
            "PYTHONMALLOC": "malloc",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        },
    )


@nox.session
def bench(session: nox.Session) -> None:
    """Compare the speed of training with other libraries; arguments go to ``compare.py``."""
    session.install(".[bench]")
    session.run("python", "benchmarks/compare.py", *session.posargs)


@nox.session
def stubs(session: nox.Session) -> None:
    """Write the extension's type stubs again."""
    session.install(".[test]")
    session.run("pybind11-stubgen", "descend._core", "--output-dir", "python", "--exit-code")


def _compiler_file(name: str) -> str:
    """Path of a runtime library of the compiler."""
    command = ["g++", f"-print-file-name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
