"""Each source file of the core includes its own floor, lower floors and public headers only."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[1] / "csrc"

FLOORS = ["core", "kernels", "engine", "network", "trainer", "bindings"]

# The public headers hold values, open to every floor, but for these, which hold what a floor
# builds: with the lowest floor that may include them.
OWNED_HEADERS = {
    "descend/ops.hpp": "engine",
    "descend/network.hpp": "engine",  # the spec and the shapes of the layers are values
    "descend/trainer.hpp": "trainer",
    "descend/gradient_noise.hpp": "trainer",
    "descend/descend.hpp": "bindings",
}

# Kernels are compiled for instruction sets that not every processor has: an inline function of the
# standard library, compiled there, could be the copy that the linker keeps for all.
KERNEL_SYSTEM_HEADERS = {"cstddef", "cstdint", "immintrin.h", "arm_neon.h"}
DISPATCH = {"kernels/dispatch.hpp", "kernels/dispatch.cpp"}

SUFFIXES = {".cpp", ".hpp", ".cu", ".cuh"}

STANDARD_HEADER = re.compile(r"[a-z_]+")  # <vector>, but not <omp.h> or <pybind11/numpy.h>

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:<(?P<system>[^>]+)>|"(?P<own>[^"]+)")', re.MULTILINE)


def violations(csrc: Path) -> Iterator[str]:
    """Yield one line for each ``#include`` under ``csrc`` that breaks a rule."""
    for path in sorted(path for path in csrc.rglob("*") if path.suffix in SUFFIXES):
        name = path.relative_to(csrc).as_posix()
        for include in INCLUDE.finditer(path.read_text(encoding="utf-8")):
            if name.startswith("include/"):
                reason = _public_violation(csrc, include["own"], include["system"])
            elif include["own"]:
                reason = _floor_violation(csrc, name, include["own"])
            else:
                reason = _system_violation(name, include["system"])
            if reason:
                yield f"{name}: {include[0].strip()}: {reason}"


def _public_violation(csrc: Path, own: str | None, system: str | None) -> str | None:
    if system:
        is_standard = STANDARD_HEADER.fullmatch(system)
        return None if is_standard else "a public header needs the standard library only"
    return None if (csrc / "include" / own).is_file() else "not a public header"


def _floor_violation(csrc: Path, name: str, own: str) -> str | None:
    floor = name.split("/")[0]
    if floor not in FLOORS:
        return f"{floor} is not a floor"
    if (csrc / "include" / own).is_file():
        lowest = OWNED_HEADERS.get(own, FLOORS[0])
    elif (csrc / own).is_file():
        lowest = own.split("/")[0]
    else:
        return "no such file from csrc or csrc/include"
    if FLOORS.index(lowest) > FLOORS.index(floor):
        return f"{floor} stands below {lowest}"
    return None


def _system_violation(name: str, system: str) -> str | None:
    if system == "omp.h" and name != "core/thread_team.cpp":
        return "only core/thread_team.cpp knows OpenMP"
    if system.startswith("pybind11/") and not name.startswith("bindings/"):
        return "only the bindings know Python"
    if system.startswith("cuda") and not name.startswith("engine/cuda_"):
        return "only the engine of a GPU knows CUDA's runtime"
    in_kernels = name.startswith("kernels/") and name not in DISPATCH
    if in_kernels and system not in KERNEL_SYSTEM_HEADERS:
        return "kernels use nothing of the standard library"
    return None


def test_every_include_keeps_to_the_floors() -> None:
    assert list(violations(CSRC)) == []


def test_every_floor_has_sources() -> None:
    for floor in FLOORS:
        assert list((CSRC / floor).glob("*.cpp")), floor


def test_the_bindings_let_go_of_pythons_lock_in_one_way() -> None:
    """By bindings/gil.hpp: pybind11's own guards abort a program that ends meanwhile."""
    sources = [*CSRC.rglob("*.cpp"), *CSRC.rglob("*.hpp")]
    users = [path.name for path in sources if "gil_scoped" in path.read_text(encoding="utf-8")]
    assert users == ["gil.hpp"]


@pytest.mark.parametrize(
    ("name", "include", "reason"),
    [
        ("core/checks.cpp", '#include "kernels/panels.hpp"', "core stands below kernels"),
        ("kernels/gemm.hpp", '#include "engine/layout.hpp"', "kernels stands below engine"),
        ("engine/layout.cpp", '#include "descend/trainer.hpp"', "engine stands below trainer"),
        ("kernels/gemm.hpp", "#include <algorithm>", "nothing of the standard library"),
        ("kernels/gemm.hpp", "  #  include <cmath>", "nothing of the standard library"),
        ("engine/layout.cpp", "#include <omp.h>", "knows OpenMP"),
        ("kernels/cuda_rows.cuh", '#include "engine/rows.hpp"', "kernels stands below engine"),
        ("kernels/cuda_float32.cu", "#include <vector>", "nothing of the standard library"),
        ("trainer/cuda_loop.cpp", "#include <cuda_runtime_api.h>", "knows CUDA's runtime"),
        ("trainer/shuffle.cpp", "#include <pybind11/pybind11.h>", "know Python"),
        ("network/spec.cpp", '#include "layout.hpp"', "no such file"),
        ("include/descend/loss.hpp", '#include "core/checks.hpp"', "not a public header"),
        ("include/descend/loss.hpp", "#include <omp.h>", "standard library only"),
        ("extras/new.cpp", '#include "core/checks.hpp"', "extras is not a floor"),
    ],
)
def test_a_forbidden_include_is_found(tmp_path: Path, name: str, include: str, reason: str) -> None:
    csrc = tmp_path / "csrc"
    shutil.copytree(CSRC, csrc)
    before = set(violations(csrc))
    path = csrc / name
    path.parent.mkdir(exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{include}\n{text}", encoding="utf-8")
    (found,) = set(violations(csrc)) - before
    assert found.startswith(f"{name}: ")
    assert reason in found
