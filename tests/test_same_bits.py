"""One seed, data set and network: the same bits for any number of threads and kernel set."""

import pytest

import descend as ds
from processes import lines_of_each_kernel_set
from same_bits_run import CONFIGURATIONS, THREADS, configuration


@pytest.fixture(scope="module")
def digests():
    """{(isa, configuration, threads): digest}, each kernel set in a process of its own."""
    found = {}
    for isa, lines in lines_of_each_kernel_set("same_bits_run.py").items():
        for line in lines:
            index, threads, digest = line.split()
            found[isa, int(index), int(threads)] = digest
    return found


@pytest.mark.parametrize("index", range(CONFIGURATIONS))
def test_same_bits_for_any_thread_count_and_instruction_set(digests, index):
    isas = ds.build_info()["available_isas"]
    of_this = {key: digests[key] for key in digests if key[1] == index}
    assert len(of_this) == len(isas) * len(THREADS)
    assert len(set(of_this.values())) == 1, (configuration(index), of_this)


def test_configurations_differ(digests):
    isa = ds.build_info()["isa"]
    assert len({digests[isa, index, 1] for index in range(CONFIGURATIONS)}) == CONFIGURATIONS
