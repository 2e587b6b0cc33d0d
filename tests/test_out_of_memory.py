"""A call that finds no memory raises MemoryError and changes nothing; so do threads that find none.

Each case runs in a process of its own, whose address space ends a little above what it has.
"""

import sys

import pytest

from processes import python

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's RLIMIT_AS"),
    pytest.mark.no_sanitizer,  # AddressSanitizer reserves address space by the terabyte
]

PREPARATION = """
import resource
import numpy as np
import descend as ds
from strategies import mlp, problem
from tolerances import same_bits

def leave(megabytes):
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limit = used + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))

def trainer(**options):
    options = {"batch_size": 16, "threads": 1, **options}
    return ds.Trainer(case.architecture.network(), case.loss, ds.Adam(), **options)

def train(run):
    return run.fit(case.X, case.y).loss, run.step(case.X, case.y)

def raises(call):
    try:
        call()
    except MemoryError as error:
        assert str(error), "a message"
        return True
    return False

case = problem(mlp(20, 30, 3, dtype="float32"), "softmax_cross_entropy", 100, as_labels=True)
run, unaware = trainer(), trainer()
assert same_bits(train(run), train(unaware))
"""

AFTERWARDS = """
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert (run.epoch, run.steps) == (unaware.epoch, unaware.steps)
assert same_bits(run.network.parameters(), unaware.network.parameters())
assert same_bits(train(run), train(unaware))
"""


def other_runs(sizes):
    """Code that makes `run` and `unaware` anew, for networks of these sizes."""
    return f"""
run, unaware = (
    ds.Trainer(ds.Network.mlp({sizes}), "squared_error", ds.SGD(), threads=1) for _ in range(2)
)

def train(run):
    return run.step(np.ones((1, {sizes[0]})), np.ones((1, 1)))
"""


# What finds no memory: how much is left, what is made beforehand, the call.
CASES = {
    "a network": (100, "", "ds.Network.mlp([10_000, 10_000])"),
    "a network beyond all memory": (100, "", "ds.Network.mlp([2**30, 2**31])"),
    "a network's initial weights": (350, "", "ds.Network.mlp([6_000, 10_000])"),
    "a trainer's optimizer state": (
        100,
        "wide = ds.Network.mlp([3_000, 3_000, 3_000])",
        "ds.Trainer(wide, 'squared_error')",
    ),
    "a copy of a network": (
        100,
        "import copy; wide = ds.Network.mlp([3_000, 10_000])",
        "copy.copy(wide), copy.deepcopy(wide)",
    ),
    "parameters": (100, "wide = ds.Network.mlp([3_000, 10_000])", "wide.parameters()"),
    "a step's buffers": (
        10,
        other_runs([1, 20_000, 1])
        + "x, y = np.ones((1_024, 1), 'float32'), np.ones((1_024, 1), 'float32')",
        "run.step(x, y)",
    ),
    "the gradient of a long batch": (
        60,
        other_runs([4_000, 4_000, 1])
        + "x, y = np.ones((1_100, 4_000), 'float32'), np.ones((1_100, 1), 'float32')",
        "run.step(x, y)",
    ),
    "data to copy": (
        100,
        "x, y = np.ones((10_000_000, 20), 'int8', order='F'), np.zeros(10_000_000, 'int8')",
        "run.fit(x, y)",
    ),
    "an epoch's order": (
        100,
        other_runs([1, 1])
        + "x, y = np.ones((20_000_000, 1), 'float32'), np.zeros(20_000_000, 'float32')",
        "run.run_epoch(x, y)",
    ),
    "the outputs of predict": (
        100,
        "x = np.ones((10_000_000, 20), 'float32')",
        "run.network.predict(x)",
    ),
    "loss_and_gradient": (
        100,
        "wide = ds.Network.mlp([3_000, 10_000]);"
        "x, y = np.ones((4, 3_000), 'float32'), np.zeros((4, 10_000), 'float32')",
        "wide.loss_and_gradient(x, y, 'squared_error')",
    ),
    "a kernel without a network": (
        100,
        "x, w = np.ones((100_000, 10), 'float32'), np.ones((10, 1_000), 'float32')",
        "ds.ops.dense_forward(x, w, np.zeros(1_000, 'float32'))",
    ),
    "an optimizer's state": (100, "theta = np.zeros(20_000_000)", "ds.Adam().init(theta)"),
}


@pytest.mark.parametrize("what", CASES)
def test_without_memory_for_it_a_call_changes_nothing(what):
    megabytes, preparation, call = CASES[what]
    code = f"{PREPARATION}\n{preparation}\nleave({megabytes})\nassert raises(lambda: ({call}))"
    run = python("-c", code + AFTERWARDS)
    assert run.returncode == 0, run.stderr


def test_without_memory_for_all_threads_fewer_give_the_same_bits():
    code = PREPARATION + (
        "leave(100)\n"
        "few = trainer(threads=64, batch_size=64)\n"
        "one = trainer(threads=1, batch_size=64)\n"
        "assert same_bits(train(few), train(one))\n"
        "assert same_bits(few.network.predict(case.X, threads=200), one.network.predict(case.X))\n"
    )
    run = python("-c", code)
    assert run.returncode == 0, run.stderr
