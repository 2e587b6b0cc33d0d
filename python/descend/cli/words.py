"""What the commands print: lines, whatever stands in a file that they quote from."""

__all__ = ["one_line", "say"]


def one_line(text: str) -> str:
    """Give a text without line ends and control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def say(what: str, text: str) -> None:
    """Print a word and what it says, on one line of standard output."""
    print(f"{what:<9} {one_line(text)}", flush=True)
