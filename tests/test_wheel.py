"""The wheel: small, complete for Python and C++, and free of what users do not need.

DESCEND_WHEEL names a wheel to look at in place of one built here.
"""

import configparser
import os
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MEBIBYTE = 2**20

pytestmark = [pytest.mark.slow, pytest.mark.no_sanitizer]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("DESCEND_WHEEL"):
        return Path(given)
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    finished = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", str(ROOT), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout
    (built,) = folder.glob("descend-*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: list[str]) -> Message:
    (name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(name).decode())


def test_wheel_is_under_5_mib(wheel: Path) -> None:
    assert wheel.stat().st_size < 5 * MEBIBYTE


def test_wheel_holds_the_whole_package_for_python_and_cpp(names: list[str]) -> None:
    python = ROOT / "python"
    headers = ROOT / "csrc" / "include"
    expected = {path.relative_to(python).as_posix() for path in python.rglob("*.py")}
    expected |= {path.relative_to(python).as_posix() for path in python.rglob("*.pyi")}
    expected |= {f"descend/include/descend/{path.name}" for path in headers.rglob("*.hpp")}
    expected |= {
        "descend/_core/__init__.pyi",
        "descend/include/descend/descend.hpp",
        "descend/lib/cmake/descend/descendConfig.cmake",
        "descend/lib/cmake/descend/descendConfigVersion.cmake",
        "descend/lib/cmake/descend/descendTargets.cmake",
        "descend/lib/libdescend.a",
        "descend/py.typed",
    }
    assert expected - set(names) == set()


def test_wheel_holds_one_extension_and_nothing_else(names: list[str]) -> None:
    extensions = [name for name in names if name.endswith((".so", ".dylib", ".pyd"))]
    assert len(extensions) == 1
    assert extensions[0].startswith("descend/_core.")
    assert {name.split("/")[0].split("-")[0] for name in names} == {"descend"}
    strangers = [name for name in names if name.endswith((".cpp", ".o", ".pyc")) or "test" in name]
    assert strangers == []


def test_wheel_needs_numpy_alone(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(needed) == 1
    assert needed[0].startswith("numpy")


def test_wheel_brings_its_licence_and_entry_points(wheel: Path, names: list[str]) -> None:
    (folder,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    assert f"{folder}/licenses/LICENSE" in names
    entry_points = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        entry_points.read_string(archive.read(f"{folder}/entry_points.txt").decode())
    assert entry_points["console_scripts"]["descend"] == "descend.cli:main"
    assert entry_points["cmake.root"]["descend"] == "descend"
