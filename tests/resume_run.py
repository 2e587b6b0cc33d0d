"""A process of test_resume.py: trains, saving every few steps, from where the last one was killed.

python resume_run.py FOLDER CONFIGURATION
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

import descend as ds
from test_resume import Run, outcome


def main():
    folder, run = Path(sys.argv[1]), Run(json.loads(sys.argv[2]))
    path = folder / "trainer.safetensors"
    trainer = ds.Trainer.load(path) if path.exists() else run.trainer()
    print("ready", flush=True)
    pause = 0.04 if run.c["batches"] else 0.012  # about a second, of 24 or 84 steps
    slow = ds.LambdaCallback(on_step_end=lambda trainer, report: time.sleep(pause))
    history = run.fit(trainer, [slow, ds.Checkpoint(path, every_n_steps=3)])
    found = outcome(trainer, history)
    arrays = {"text": np.array(json.dumps([found["counters"], found["history"]]))}
    for name in ("parameters", "averaged"):
        flat = [part for layer in found[name] for part in layer]
        arrays |= {f"{name}{i}": part for i, part in enumerate(flat)}
    vectors, step = found["optimizer"]
    arrays |= {f"vector{i}": vector for i, vector in enumerate(vectors)}
    arrays["step"] = np.array(step)
    part = folder / "part.npz"
    np.savez(part, **arrays)
    part.rename(folder / "outcome.npz")


if __name__ == "__main__":
    main()
