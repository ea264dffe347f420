"""What is in an export's file before any of it is upgraded."""

from __future__ import annotations

import zlib
from pathlib import Path


def stored_events(file: Path) -> list[bytes]:
    """The events of an export as they were written."""
    data = zlib.decompress(file.read_bytes().partition(b"\n")[2])
    found: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 5], "big")
        if data[at : at + 1] == b"E":
            found.append(data[at + 5 : at + 5 + size])
        at += 5 + size
    return found
