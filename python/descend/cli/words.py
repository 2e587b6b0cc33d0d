"""What the commands print: a word and what it says, one line each."""

__all__ = ["say"]


def say(what: str, text: str) -> None:
    """Print one line to standard output."""
    print(f"{what:<9} {text}", flush=True)
