"""A C++ program builds against the installed package, and shares model files with Python."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import descend as ds

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "cpp"

pytestmark = [pytest.mark.slow, pytest.mark.no_sanitizer]

# The programs that the test extra brings stand beside this Python, which need not be activated.
SEARCH_PATH = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])


def run(*command: object) -> str:
    """Run a program and return what it prints; its whole output is in the failure."""
    program = shutil.which(str(command[0]), path=SEARCH_PATH)
    assert program is not None, f"{command[0]} not found; install descend[test]"
    finished = subprocess.run(
        [program, *map(str, command[1:])],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PATH": SEARCH_PATH},
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def configure(source: Path, build: Path, *options: str) -> None:
    run("cmake", "-S", source, "-B", build, "-G", "Ninja", *options)


def build_example(build: Path, prefix: str) -> Path:
    """Build examples/cpp against the package under ``prefix`` and return the program."""
    configure(EXAMPLE, build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    return build / "two_moons"


def found_package(build: Path) -> Path:
    """Return the package folder that CMake found, from its cache."""
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    (line,) = [line for line in cache.splitlines() if line.startswith("descend_DIR:")]
    return Path(line.partition("=")[2])


@pytest.fixture(scope="module")
def two_moons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built against the installed Python package."""
    prefix = run(sys.executable, "-m", "descend", "--cmake-dir").strip()
    build = tmp_path_factory.mktemp("wheel") / "build"
    program = build_example(build, prefix)
    assert found_package(build).samefile(ds.get_cmake_dir())
    return program


def predict_in_cpp(program: Path, model: Path, point: np.ndarray) -> np.ndarray:
    printed = run(program, "predict", model, *(f"{value:.9g}" for value in point))
    return np.array(printed.split(), dtype=np.float32)


POINT = np.array([0.5, -0.25], dtype=np.float32)


def test_the_installed_package_trains_in_cpp_and_python_loads_its_model(
    two_moons: Path, tmp_path: Path
) -> None:
    model = tmp_path / "moons.safetensors"
    printed = run(two_moons, "train", model)
    first, last = printed.splitlines()[0].removeprefix("loss: ").split(" -> ")
    assert float(last) < 0.1 * float(first)
    assert float(printed.partition("validation accuracy: ")[2].split()[0]) >= 0.97

    network = ds.Network.load(model)
    assert [layer.units for layer in network.layers] == [32, 32, 2]
    np.testing.assert_array_equal(
        network.predict(POINT[None])[0], predict_in_cpp(two_moons, model, POINT)
    )


def test_cpp_loads_a_model_that_python_saved(two_moons: Path, tmp_path: Path) -> None:
    network = ds.Network.mlp([2, 5, 3, 2], activation="gelu", init="he_normal", seed=3)
    model = tmp_path / "python.safetensors"
    network.save(model)
    np.testing.assert_array_equal(
        predict_in_cpp(two_moons, model, POINT), network.predict(POINT[None])[0]
    )


def test_a_damaged_model_is_an_error_message_in_cpp(two_moons: Path, tmp_path: Path) -> None:
    model = tmp_path / "damaged.safetensors"
    model.write_bytes(b"\xff" * 100)
    finished = subprocess.run(
        [two_moons, "predict", model, "0", "0"], capture_output=True, text=True
    )
    assert finished.returncode == 1
    assert finished.stderr.startswith("two_moons: ")
    assert str(model) in finished.stderr


def test_a_plain_cmake_install_gives_the_same_package(tmp_path: Path) -> None:
    build, prefix = tmp_path / "core", tmp_path / "prefix"
    # Without optimisation: this is about the package, and the library compiles in seconds.
    configure(ROOT, build, "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run("cmake", "--build", build)
    run("cmake", "--install", build)
    program = build_example(tmp_path / "example", str(prefix))
    assert prefix in found_package(tmp_path / "example").parents

    network = ds.Network.mlp([2, 4, 2], seed=1)
    model = tmp_path / "model.safetensors"
    network.save(model)
    np.testing.assert_array_equal(
        predict_in_cpp(program, model, POINT), network.predict(POINT[None])[0]
    )


def test_the_source_tree_serves_add_subdirectory(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(
        f"""
        cmake_minimum_required(VERSION 3.21)
        project(user LANGUAGES CXX)
        add_subdirectory("{ROOT.as_posix()}" descend)
        add_executable(two_moons "{EXAMPLE.as_posix()}/main.cpp")
        target_link_libraries(two_moons PRIVATE descend::descend)
        """,
        encoding="utf-8",
    )
    build = tmp_path / "build"
    configure(source, build)
    planned = run("ninja", "-C", build, "-t", "commands", "two_moons")
    assert "libdescend.a" in planned
