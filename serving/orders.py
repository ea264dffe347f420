"""Starts `serving/ray_app.py` as a process, follows what it says, and turns its failure into one clear error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from runtime import clock, ray_local
from runtime.errors import RepertoryError
from serving.blueprint import READY_LIMIT_S
from serving.progress import Progress, Report
from serving.ray_app import MARK

ENDING_LIMIT_S = 20.0
"""How long the process may take to leave Ray, or to undo what it began."""

_ROOT = Path(__file__).resolve().parent.parent
_TELLING = re.compile(r"error|exception|killed|fatal|cannot|failed", re.IGNORECASE)
_LINES = 12


def ray_app(kind: Literal["up", "down"], order: Mapping[str, object]) -> list[str]:
    """The command that makes `serving/ray_app.py` deploy an application, or remove some."""
    return [sys.executable, "-m", "serving.ray_app", kind, json.dumps(order)]


def carry_out(
    command: Sequence[str],
    log: Path,
    report: Report,
    what: str,
    *,
    home: Path | None = None,
    limit_s: float = READY_LIMIT_S,
) -> str:
    """Run a command that speaks as `serving/ray_app.py` does, and return its answer; ended early, it is told to end.

    Raises:
        RepertoryError: it failed or took longer than the limit; the message holds the telling lines of the logs.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=_ROOT, start_new_session=True
        )
    try:
        answer = _follow(process, log, report, what, limit_s)
        _wait(process)
        return answer
    except _Failed as failure:
        raise RepertoryError(f"{what} failed: {failure}\n{_evidence(log, home)}") from None
    finally:
        _end(process)


class _Failed(Exception):
    """Says why, for people."""


def _follow(process: subprocess.Popen[bytes], log: Path, report: Report, what: str, limit_s: float) -> str:
    started = clock.monotonic()
    while True:
        ended = process.poll() is not None
        events = [json.loads(line.removeprefix(MARK)) for line in _lines(log) if line.startswith(MARK)]
        latest: dict[str, str] = events[-1] if events else {"event": "stage", "text": "starting"}
        if latest["event"] == "ready":
            return latest["text"]
        if latest["event"] == "failed":
            raise _Failed(_shortened(latest["text"]))
        if ended:
            raise _Failed(f"the process ended with code {process.returncode}")
        elapsed = clock.monotonic() - started
        if elapsed > limit_s:
            raise _Failed(f"not done after {limit_s:.0f} s, last seen: {latest['text']}")
        report(Progress(f"{what}: {latest['text']}", int(elapsed), int(limit_s), "seconds"))
        time.sleep(0.25)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        if not _wait(process):
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended by itself before long."""
    try:
        process.wait(ENDING_LIMIT_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _evidence(log: Path, home: Path | None) -> str:
    """The telling lines of the replica's own logs where there are any, else of the command's log."""
    folder = None if home is None else ray_local.session_logs(home)
    replica = [] if folder is None else _replica_lines(folder)
    lines = _telling(replica) or _telling(_lines(log))
    return "\n".join([*(f"  {line}" for line in lines), f"The whole log: {folder or log}"])


def _replica_lines(folder: Path) -> list[str]:
    """What the newest model server's processes wrote; vLLM's workers write into the log of the replica above them."""
    logs = sorted(folder.glob("worker-*.*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs:
        lines = _lines(path)
        if any("LLMServer" in line for line in lines[:3]):
            return [line for half in (".out", ".err") for line in _lines(path.with_suffix(half))]
    return []


def _telling(lines: list[str]) -> list[str]:
    """The last lines that speak of an error, each once."""
    seen = dict.fromkeys(line.strip()[:300] for line in lines if _TELLING.search(line) and not line.startswith(MARK))
    return list(seen)[-_LINES:]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _shortened(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-_LINES:]) or "no reason given"
