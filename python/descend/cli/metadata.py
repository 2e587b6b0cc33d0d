"""Texts in the metadata of a safetensors file, beside those that the core writes.

The file begins with the length of its header, 8 bytes, and the header, a JSON object.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

__all__ = ["add", "read"]

_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"


def read(path: Path, key: str) -> str | None:
    """Give a text of the metadata, None where there is none; ValueError for another file."""
    with path.open("rb") as file:
        text = _header(file.read(_LENGTH.size), file).get(_METADATA, {}).get(key)
    return None if text is None else str(text)


def add(path: Path, key: str, text: str) -> None:
    """Write a text into the metadata of a file that the core wrote."""
    content = path.read_bytes()
    (length,) = _LENGTH.unpack_from(content)
    header = json.loads(content[_LENGTH.size : _LENGTH.size + length])
    header.setdefault(_METADATA, {})[key] = text
    written = json.dumps(header, separators=(",", ":")).encode()
    written += b" " * (-len(written) % 8)  # tensors stay aligned
    path.write_bytes(_LENGTH.pack(len(written)) + written + content[_LENGTH.size + length :])


def _header(start: bytes, file: Any) -> dict[str, Any]:
    (length,) = _LENGTH.unpack(start)
    header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return header
