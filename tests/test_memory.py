"""Training takes at most the data, five times the parameters, and the activations of a batch.

So a data set may be of any type, or sparse, and larger than memory where it is mapped from a file:
the pages of a file that is only read are the system's to drop.
"""

import sys

import numpy as np
import pytest

from memory_run import SCENARIOS, bound, copy_bytes, numbers
from processes import python

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status"),
    pytest.mark.no_sanitizer,  # whose shadow memory is far above every limit
]


def sparse_file(path, dtype, shape):
    """Write an array of zeros with some numbers in it, as a file with holes."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    rows = np.linspace(0, shape[0] - 1, 100).astype(int)
    array[rows] = np.random.default_rng(0).integers(0, 2, (len(rows), *shape[1:]))
    array.flush()


@pytest.mark.parametrize("name", SCENARIOS)
def test_training_takes_no_more_memory_than_it_may(tmp_path, name):
    scenario = SCENARIOS[name]
    file = tmp_path / "data.npy"
    sparse_file(file, scenario.dtype, (scenario.rows, numbers(scenario)))
    # What is freed goes back at once, large arrays are mapped one by one, and no thread keeps
    # address space in reserve.
    run = python(
        "memory_run.py",
        name,
        str(file),
        MALLOC_MMAP_THRESHOLD_="65536",
        MALLOC_TRIM_THRESHOLD_="65536",
        MALLOC_ARENA_MAX="1",
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_converted_copy_of_the_data_would_be_more(name):
    scenario = SCENARIOS[name]
    assert copy_bytes(scenario) > bound(scenario) or scenario.batch_size is None
