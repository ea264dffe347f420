"""Where words go: results to stdout, everything else to stderr; JSON alone on stdout when a program asks for it."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
"""The option that every reading command has."""


def print_json(value: Any) -> None:
    """One JSON document on stdout, readable, in UTF-8."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_line(text: str) -> None:
    """A line of the result."""
    print(text)


def say(text: str) -> None:
    """A line about what is going on."""
    print(text, file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Text of others without control characters, which could move the cursor or repaint the terminal."""
    return "".join(char if char == "\n" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
