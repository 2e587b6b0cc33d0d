"""What a user can get wrong, each with its exit code; main() prints them without a traceback."""

import os

from descend.cli.words import one_line

__all__ = ["CommandError", "DataError", "UsageError", "reason"]


class CommandError(Exception):
    """A message of one line for the user, and the exit code of the command."""

    exit_code: int

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class DataError(CommandError, ValueError):
    """The data or a file cannot be read or learnt from."""

    exit_code = 1


class UsageError(CommandError):
    """The arguments ask for something that does not exist."""

    exit_code = 2


def reason(error: OSError) -> str:
    """Say what the system refused, without the path, which the caller knows better."""
    return os.strerror(error.errno) if error.errno else str(error)
