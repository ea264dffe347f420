"""What long work in serving/ reports while it goes on; who calls it decides how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class Progress:
    """How far a stage of long work has come."""

    stage: str
    """What is being done, in words for a person: "fetching qwen2.5-coder-0.5b"."""
    done: int = 0
    """How much of it is done."""
    total: int = 0
    """How much there is; 0 when nobody can say."""
    unit: Literal["bytes", "seconds"] = "bytes"
    """What `done` and `total` count."""


Report: TypeAlias = Callable[[Progress], None]
"""Called from the thread that started the work, often; it must not block."""


def silent(progress: Progress) -> None:
    """Reports to nobody."""
