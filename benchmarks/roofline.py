"""The ceilings of this machine: peak arithmetic, and bandwidth of each cache and of memory.

    python benchmarks/roofline.py

A small C++ program (``kernels/roofline.cpp``) measures them; it is compiled for this processor.
A step's roofline time is what its arithmetic or its memory traffic takes at these rates, whichever
takes longer, all processors working:

- the three products take 4 B K N operations in the first layer and 6 B K N in the others;
- the update reads and writes the parameters and the optimizer's state once (24 bytes a parameter
  for Adam), from the smallest cache that holds them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from report import format_table, publish
from tasks import Task

__all__ = ["Level", "Roofline", "measure", "processors"]

SOURCE = Path(__file__).with_name("kernels") / "roofline.cpp"
FLAGS = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-pthread"]
CPUS = Path("/sys/devices/system/cpu")
USUAL_CACHES = {1: 32 << 10, 2: 1 << 20, 3: 32 << 20}  # where the system does not tell


@dataclass(frozen=True)
class Level:
    """A cache, or memory, and its bandwidth in GB/s."""

    name: str
    capacity: int  # bytes, in all processors together; of memory, what was measured
    one_thread: float
    all_threads: float


@dataclass(frozen=True)
class Roofline:
    """What the machine can do at most; ``levels`` from the nearest to memory."""

    threads: int
    gflops_one_thread: float
    gflops: float
    levels: list[Level]

    def step_seconds(self, task: Task) -> float:
        """Time of a step of ``task`` at the ceilings."""
        arithmetic = task.step_flops / (1e9 * self.gflops)
        caches = (level for level in self.levels if task.state_bytes <= level.capacity)
        level = next(caches, self.levels[-1])
        return max(arithmetic, 2 * task.state_bytes / (1e9 * level.all_threads))


def processors() -> int:
    """Return how many processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure() -> Roofline:
    """Compile the program and run it."""
    threads = processors()
    names, capacities, sizes = [], [], []
    for level, (size, count) in _caches().items():
        names.append(f"L{level}")
        capacities.append(size * count)
        sizes += [size // 2, size * count // 2]
    memory = max(256 << 20, 8 * max(capacities))
    names.append("memory")
    capacities.append(memory)
    sizes += [memory, memory]
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "roofline"
        compiler = os.environ.get("CXX", "c++")
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(program)], check=True)
        command = [str(program), str(threads), *map(str, sizes)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rates = json.loads(answer)
    levels = [
        Level(name, capacity, *pair)
        for name, capacity, pair in zip(names, capacities, rates["gbytes"], strict=True)
    ]
    one_thread, all_threads = rates["gflops"]
    return Roofline(threads, one_thread, all_threads, levels)


def _caches() -> dict[int, tuple[int, int]]:
    """Size of one data cache of each level, and how many of them the processors have."""
    sizes: dict[int, int] = {}
    owners: dict[int, set[str]] = {}
    for index in CPUS.glob("cpu[0-9]*/cache/index[0-9]*"):
        if (index / "type").read_text().strip() == "Instruction":
            continue
        level = int((index / "level").read_text())
        sizes[level] = int((index / "size").read_text().strip().removesuffix("K")) << 10
        owners.setdefault(level, set()).add((index / "shared_cpu_list").read_text())
    if not sizes:
        return {level: (size, 1) for level, size in USUAL_CACHES.items()}
    return {level: (sizes[level], min(len(owners[level]), processors())) for level in sorted(sizes)}


def main() -> None:
    """Print the ceilings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.add_argument("--markdown", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()
    roofline = measure()
    if arguments.json:
        print(json.dumps(asdict(roofline)))
        return
    header = ["ceiling", "1 thread", f"{roofline.threads} threads"]
    rows = [
        ["float32, GFLOP/s", f"{roofline.gflops_one_thread:.0f}", f"{roofline.gflops:.0f}"],
        *(
            [f"triad in {level.name}, GB/s", f"{level.one_thread:.0f}", f"{level.all_threads:.0f}"]
            for level in roofline.levels
        ),
    ]
    table = format_table(header, rows)
    print(table)
    if arguments.markdown:
        publish("roofline", table)


if __name__ == "__main__":
    main()
