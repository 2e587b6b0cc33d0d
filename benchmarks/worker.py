"""One contender on one task, in a process of its own.

    python worker.py CONTENDER TASK THREADS

Writes one JSON object a line to standard output: {"loss": ...} when it is ready, or {"skipped":
"..."} with the reason; then, for each line that it reads, {"seconds": ..., "loss": ...}, seconds of
one step. Environment variables set the number of threads before anything is loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from math import ceil

from contenders import MODULES, UnsupportedError
from tasks import TASKS

SHORTEST = 0.05  # seconds of training that are worth a measurement
WARM_UP = 0.5  # seconds of training before the first one


def main() -> None:
    """Serve the parent until it closes standard input."""
    contender, name, threads = sys.argv[1:]
    # Libraries that print go to standard error.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def reply(**fields: object) -> None:
        replies.write(json.dumps(fields) + "\n")

    try:
        serve(contender, name, int(threads), reply)
    except ImportError as error:
        reply(skipped=f"{contender} is not installed: {error}.")
    except UnsupportedError as error:
        reply(skipped=str(error))
    except Exception as error:
        reply(skipped=f"{contender} failed: {type(error).__name__}: {error}")


def serve(contender: str, name: str, threads: int, reply: Callable[..., None]) -> None:
    """Train to warm up, then as often as asked."""
    task = next(task for task in TASKS if task.name == name)
    module = importlib.import_module(f"contenders.{MODULES[contender]}")
    epoch = module.make_epoch(task, *task.data(), threads)
    loss = epoch()  # compiles
    seconds = []
    while not seconds or sum(seconds) < WARM_UP:
        begin = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - begin)
    epochs = ceil(SHORTEST / min(seconds))
    reply(loss=loss)
    for _ in sys.stdin:
        begin = time.perf_counter()
        for _ in range(epochs):
            loss = epoch()
        seconds = time.perf_counter() - begin
        reply(seconds=seconds / (epochs * task.steps), loss=loss)


if __name__ == "__main__":
    main()
