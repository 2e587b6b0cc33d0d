"""The NEON kernels compile where a cross compiler is at hand."""

import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parent.parent / "csrc"
COMPILER = "aarch64-linux-gnu-g++"


@pytest.mark.no_sanitizer
@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"{COMPILER} is not installed")
def test_neon_kernels_compile_without_warnings(tmp_path: Path) -> None:
    kernels = tmp_path / "neon.o"
    flags = ["-std=c++17", "-O1", "-ffp-contract=off", "-fno-exceptions", "-Wall", "-Wextra"]
    defines = ["-DDESCEND_ISA_NAMESPACE=neon", '-DDESCEND_SIMD_HEADER="kernels/simd_neon.hpp"']
    command = [COMPILER, *flags, "-Werror", *defines, f"-I{CSRC}", f"-I{CSRC}/include"]
    source = str(CSRC / "kernels/kernels.cpp")
    subprocess.run([*command, "-c", source, "-o", str(kernels)], check=True)
    assert kernels.stat().st_size > 0
