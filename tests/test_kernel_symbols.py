"""The kernels of one instruction set export their table and nothing that could be shared.

A weak symbol, such as an inline function of the standard library, is kept once for the whole
program, whichever copy the linker meets first: compiled for AVX-512, it would end a program on a
processor without it. Only the table may leave the object file.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import descend

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads the symbols of ELF objects"),
    pytest.mark.skipif(shutil.which("nm") is None, reason="nm comes with the compiler"),
    pytest.mark.no_sanitizer,  # a debug build does not inline, and nobody ships one
]

MEMBER = re.compile(r"^(?P<name>\S+\.o):$")
SYMBOL = re.compile(r"^[0-9a-f]+ (?P<type>\S) (?P<name>.+)$")
TABLE = re.compile(r"descend::kernels::(?P<isa>\w+)::kTable")


def defined_symbols() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the members of the installed library, each with its symbols as (type, name)."""
    package = Path(descend.get_include()).parent
    (library,) = package.glob("lib*/libdescend.a")
    listing = subprocess.run(
        ["nm", "--demangle", "--defined-only", library], check=True, capture_output=True, text=True
    ).stdout
    members: list[tuple[str, list[tuple[str, str]]]] = []
    for line in listing.splitlines():
        if member := MEMBER.match(line):
            members.append((member["name"], []))
        elif symbol := SYMBOL.match(line):
            members[-1][1].append((symbol["type"], symbol["name"]))
    return members


def exported(symbols: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Drop what is local to the object file: nm writes its type in lower case."""
    return [(kind, name) for kind, name in symbols if kind.isupper() or kind in "uvw"]


def test_each_kernel_object_exports_its_table_alone() -> None:
    isas = []
    for member, symbols in defined_symbols():
        if not member.startswith("kernels.cpp"):
            continue
        assert len(exported(symbols)) == 1, exported(symbols)
        ((kind, name),) = exported(symbols)
        table = TABLE.fullmatch(name)
        assert table is not None, name
        assert kind in "DR", f"{name} is not a constant"
        isas.append(table["isa"])
    assert len(set(isas)) == len(isas)
    assert set(isas) >= set(descend.build_info()["available_isas"])


def test_a_shared_inline_function_would_be_seen() -> None:
    weak = [
        name
        for member, symbols in defined_symbols()
        if not member.startswith("kernels.cpp")
        for kind, name in exported(symbols)
        if kind in "WVu"
    ]
    assert weak, "the other members use the standard library, so some of it must show"
