"""descend beside PyTorch, JAX, scikit-learn and NumPy: microseconds of a training step.

    python benchmarks/compare.py [--quick] [--only NAME ...] [--shapes TEXT ...]

Every contender trains each task in a process of its own, once with one thread and once with all
processors; the better median counts. The measurements of all contenders take turns, so that a
disturbance of the machine meets them all; a process whose turn it is not is stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from contenders import MODULES
from report import circumstances, format_table, publish
from roofline import Roofline, measure, processors
from tasks import TABLE, TASKS, Task

FOLDER = Path(__file__).parent


class SkippedError(Exception):
    """A contender does not take part, with the reason."""


class Worker:
    """The process of one contender with one number of threads."""

    def __init__(self, contender: str, task: Task, threads: int) -> None:
        self.contender, self.threads = contender, threads
        process = subprocess.Popen(
            [sys.executable, "worker.py", contender, task.name, str(threads)],
            cwd=FOLDER,
            env=os.environ | _thread_limits(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin
        assert process.stdout
        self.process, self.requests, self.answers = process, process.stdin, process.stdout

    def read(self) -> dict[str, Any]:
        """Return the next answer and stop the process: its threads may go on spinning for work."""
        line = self.answers.readline()
        self.process.send_signal(signal.SIGSTOP)
        if not line:
            raise SkippedError(f"{self.contender} ended with exit status {self.process.wait()}.")
        answer = json.loads(line)
        if "skipped" in answer:
            raise SkippedError(answer["skipped"])
        return answer

    def measure(self) -> float:
        """Return the seconds of a step."""
        self.process.send_signal(signal.SIGCONT)
        self.requests.write("\n")
        self.requests.flush()
        return float(self.read()["seconds"])

    def close(self) -> None:
        """End the process."""
        self.process.send_signal(signal.SIGCONT)
        self.requests.close()
        self.process.wait()


@dataclass
class Result:
    """Seconds of a step of one task, round by round, of each contender and number of threads."""

    task: Task
    roofline: float
    seconds: dict[str, dict[int, list[float]]] = field(default_factory=dict)

    def best(self, contender: str) -> float | None:
        """Return the median at the better number of threads, or None where it took no part."""
        runs = self.seconds.get(contender)
        return min(map(median, runs.values())) if runs else None

    @property
    def ratio(self) -> float | None:
        """How many times as long as descend the best of the others takes."""
        own = self.best("descend")
        peers = [self.best(name) for name in self.seconds if name != "descend"]
        return min(filter(None, peers)) / own if own and any(peers) else None


def run(task: Task, names: list[str], rounds: int, roofline: Roofline) -> Result:
    """Measure one task."""
    result = Result(task, roofline.step_seconds(task))
    workers: deque[Worker] = deque()
    for name in names:
        for threads in sorted({1, processors()}):
            worker = Worker(name, task, threads)
            try:
                worker.read()  # ready: one after the other, so that no warm-up disturbs another
            except SkippedError as reason:
                print(f"  {reason}", file=sys.stderr)
                worker.close()
                break
            workers.append(worker)
    for _ in range(rounds):
        for worker in workers:
            runs = result.seconds.setdefault(worker.contender, {})
            runs.setdefault(worker.threads, []).append(worker.measure())
        workers.rotate(-1)
    for worker in workers:
        worker.close()
    return result


def table(results: list[Result]) -> str:
    """Return microseconds of a step, one row a task."""
    names = [name for name in MODULES if any(name in result.seconds for result in results)]
    header = ["network, batch", *names, "best peer / descend", "roofline", "% of roofline"]
    rows = []
    for result in results:
        own = result.best("descend")
        rows.append(
            [
                result.task.name,
                *(_microseconds(result.best(name)) for name in names),
                f"{result.ratio:.2f}" if result.ratio else "",
                _microseconds(result.roofline),
                f"{100 * result.roofline / own:.0f}" if own else "",
            ]
        )
    return format_table(header, rows)


def draw(results: list[Result], path: Path) -> None:
    """Draw the step times of all contenders, a line a task."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + 0.42 * len(results)), dpi=150, layout="constrained")
    axes = figure.subplots()
    places = range(len(results))
    for number, (marker, name) in enumerate(zip("o^vsDP", MODULES, strict=True)):
        points = [(r.best(name), y) for r, y in zip(results, places, strict=True) if r.best(name)]
        if points:
            seconds, lines = zip(*points, strict=True)
            own = name == "descend"
            axes.scatter(
                [1e6 * s for s in seconds],
                lines,
                s=70 if own else 36,
                color=f"C{number}",
                marker=marker,
                label=name,
                zorder=4 if own else 3,
            )
    axes.scatter(
        [1e6 * result.roofline for result in results],
        places,
        s=140,
        marker="|",
        color="0.4",
        label="roofline",
    )
    axes.set_xscale("log")
    axes.set_xlabel("microseconds of a step (lower is better)")
    axes.set_yticks(list(places), [result.task.name for result in results])
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", color="0.92")
    axes.grid(axis="y", color="0.85")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=7, frameon=False, fontsize="small")
    figure.savefig(path)


def main() -> None:
    """Measure, print the table and write it, the raw figures and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--shapes", nargs="+", metavar="TEXT", help="tasks whose name has a text")
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each contender")
    parser.add_argument("--quick", action="store_true", help="five tasks, three rounds")
    parser.add_argument("--output", type=Path, default=FOLDER / "results", help="folder")
    parser.add_argument("--markdown", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()

    tasks = TABLE if arguments.quick else TASKS
    if arguments.shapes:
        tasks = [task for task in TASKS if any(text in task.name for text in arguments.shapes)]
    if not tasks:
        parser.error("--shapes names no task; they are: " + "; ".join(t.name for t in TASKS))
    names = [name for name in MODULES if name in arguments.only]
    rounds = 3 if arguments.quick else arguments.rounds

    roofline = measure()
    results = []
    for task in tasks:
        print(task.name, file=sys.stderr)
        results.append(run(task, names, rounds, roofline))

    text = table(results)
    print(text)
    arguments.output.mkdir(parents=True, exist_ok=True)
    record = {
        "circumstances": circumstances(),
        "roofline": asdict(roofline),
        "results": [{**asdict(result), "name": result.task.name} for result in results],
    }
    (arguments.output / "compare.json").write_text(json.dumps(record, indent=1) + "\n")
    draw(results, arguments.output / "compare.png")
    if arguments.markdown:
        publish("compare", text)


def _thread_limits(threads: int) -> Mapping[str, str]:
    names = ["DESCEND", "MKL", "OMP", "OPENBLAS"]
    # NPROC is what JAX takes the size of its thread pool from.
    return {f"{name}_NUM_THREADS": str(threads) for name in names} | {"NPROC": str(threads)}


def _microseconds(seconds: float | None) -> str:
    """Three digits, or more where they stand before the point."""
    if seconds is None:
        return ""
    microseconds = 1e6 * seconds
    return f"{microseconds:.3g}" if microseconds < 1000 else f"{microseconds:.0f}"


if __name__ == "__main__":
    main()
