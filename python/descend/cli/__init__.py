"""The command line: ``descend train``, ``resume``, ``predict``, ``evaluate``, ``info``.

`Model` reads in Python what ``descend train`` wrote.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from descend.cli import arguments, evaluate, info, predict, resume, train
from descend.cli.errors import CommandError
from descend.cli.model import Model
from descend.cli.words import one_line

__all__ = ["Model", "main"]

_COMMANDS = {
    "train": train.run,
    "resume": resume.run,
    "predict": predict.run,
    "evaluate": evaluate.run,
}

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for bad data, 2 for bad usage."""
    parser = arguments.parser()
    command_line = list(sys.argv[1:] if argv is None else argv)
    chosen = parser.parse_args(command_line)
    chosen.command_line = command_line
    try:
        if chosen.fact:
            info.show(chosen.fact)
        elif chosen.command in _COMMANDS:
            _COMMANDS[chosen.command](chosen)
        elif chosen.command == "info":
            info.run()
        else:
            parser.print_help()
        sys.stdout.flush()
    except CommandError as error:
        return _failure(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read the output has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except MemoryError:
        return _failure("there is not enough memory for this.", 1)
    except OSError as error:
        named = error.filename and error.strerror
        return _failure(f"{error.filename}: {error.strerror}." if named else str(error), 1)
    except KeyboardInterrupt:
        return _failure("interrupted.", _INTERRUPTED)
    return 0


def _failure(message: str, exit_code: int) -> int:
    print(f"descend: {one_line(message)}", file=sys.stderr)
    return exit_code
