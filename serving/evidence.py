"""Finds in logs what a person needs to read first: the exceptions, the earliest of which is the cause of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

CAUSES = 4
"""How many exceptions are quoted."""

_EXCEPTION = re.compile(r"(?:^|\s)((?:\w+\.)*(?:[A-Z]\w*)?(?:Error|Exception|Exit)\b: .+)$")
_LENGTH = 300


def causes(lines: Sequence[str]) -> list[str]:
    """The exceptions in the order in which they were written, each once, without the prefixes of loggers."""
    found = dict.fromkeys(match.group(1)[:_LENGTH] for line in lines if (match := _EXCEPTION.search(line)))
    return list(found)[:CAUSES]


def replica_logs(folder: Path, app: str) -> list[Path]:
    """What the newest model server of an application wrote; vLLM's processes write into the log of their replica."""
    logs = sorted(folder.glob("worker-*.out"), key=lambda path: path.stat().st_mtime, reverse=True)
    head = f":actor_name:ServeReplica:{app}:LLMServer"
    for log in logs:
        if any(line.startswith(head) for line in lines_of(log)[:3]):
            return [log, log.with_suffix(".err")]
    return []


def lines_of(path: Path) -> list[str]:
    """The lines of a log, none when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
