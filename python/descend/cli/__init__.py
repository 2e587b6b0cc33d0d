"""The command line: ``descend train``, ``descend info``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from descend.cli import arguments, info, train
from descend.cli.errors import CommandError

__all__ = ["main"]

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for bad data, 2 for bad usage."""
    parser = arguments.parser()
    chosen = parser.parse_args(argv)
    try:
        if chosen.fact:
            info.show(chosen.fact)
        elif chosen.command == "train":
            train.run(chosen)
        elif chosen.command == "info":
            info.run()
        else:
            parser.print_help()
    except CommandError as error:
        return _failure(str(error), error.exit_code)
    except OSError as error:
        named = error.filename and error.strerror
        return _failure(f"{error.filename}: {error.strerror}." if named else str(error), 1)
    except KeyboardInterrupt:
        return _failure("interrupted.", _INTERRUPTED)
    return 0


def _failure(message: str, exit_code: int) -> int:
    print(f"descend: {message}", file=sys.stderr)
    return exit_code
