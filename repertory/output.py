"""Where words go: results to stdout, everything else to stderr; JSON alone on stdout when a program asks for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
"""The option that every reading command has."""


def print_json(value: Any) -> None:
    """One JSON document on stdout, readable, in UTF-8."""
    print(as_json(value), end="")


def as_json(value: Any) -> str:
    """A JSON document, readable, with a line end."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def print_line(text: str) -> None:
    """A line of the result."""
    print(text)


def print_table(rows: Sequence[Sequence[object]], right: Collection[int] = ()) -> None:
    """Rows in columns, as wide as they need; the columns `right` end at one line instead of beginning there."""
    texts = [[plain(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = [
            cell.rjust(width) if n in right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print_line("  ".join(cells).rstrip())


def say(text: str) -> None:
    """A line about what is going on."""
    print(text, file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Text of others without control characters, which could move the cursor or repaint the terminal."""
    return "".join(char if char == "\n" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
