"""DESCEND_ISA, DESCEND_NUM_THREADS and what build_info says of them."""

import os
from pathlib import Path

import pytest

import descend as ds
from processes import python

ISAS = ["avx512", "avx2", "neon", "portable"]


def test_build_info_tells_what_the_build_is():
    info = ds.build_info()
    assert sorted(info) == [
        "available_isas",
        "compiler",
        "cuda",
        "isa",
        "openmp",
        "threads",
        "version",
    ]
    assert info["isa"] in info["available_isas"]
    assert set(info["available_isas"]) <= set(ISAS)
    assert "portable" in info["available_isas"]
    assert info["version"] == ds.__version__
    assert isinstance(info["openmp"], bool)
    assert isinstance(info["cuda"], bool)
    assert 1 <= info["threads"] <= os.cpu_count()
    assert info["compiler"]


def test_the_best_instruction_set_is_used_unless_told():
    run = python("-c", "import descend; print(descend.build_info()['isa'])", DESCEND_ISA="")
    assert run.stdout.strip() == ds.build_info()["available_isas"][0], run.stderr


@pytest.mark.parametrize("isa", ["nonsense", "AVX2", "neon portable"])
def test_an_unavailable_instruction_set_is_an_error_that_lists_the_available(isa):
    run = python(
        "-c",
        "import descend\ndescend.Network(inputs=1, layers=[descend.Dense(1)]).predict([[1.0]])",
        DESCEND_ISA=isa,
    )
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert isa in last
    assert all(available in last for available in ds.build_info()["available_isas"]), last


def test_the_environment_caps_the_threads():
    code = "import descend; print(descend.build_info()['threads'])"
    assert python("-c", code, DESCEND_NUM_THREADS="1").stdout.strip() == "1"


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5"])
def test_a_thread_cap_that_is_no_positive_integer_is_an_error(count):
    code = (
        "import descend\nprint(descend.build_info()['threads'])\n"
        "descend.Network(inputs=1, layers=[descend.Dense(1)]).predict([[1.0]])"
    )
    run = python("-c", code, DESCEND_NUM_THREADS=count)
    assert run.returncode == 1
    assert "DESCEND_NUM_THREADS" in run.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_bounds_the_threads():
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "import descend; print(descend.build_info()['threads'])"
    )
    assert python("-c", code).stdout.strip() == "1"


def test_headers_and_cmake_package_are_where_the_package_says():
    assert (Path(ds.get_include()) / "descend" / "descend.hpp").is_file()
    assert list(Path(ds.get_cmake_dir()).glob("descend*onfig.cmake"))
