"""Starts `serving/ray_app.py` as a process, follows what it says, and turns its failure into one clear error."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from runtime import clock
from runtime.errors import RepertoryError
from serving.blueprint import READY_LIMIT_S
from serving.evidence import causes, lines_of
from serving.progress import Progress, Report
from serving.ray_app import MARK

ENDING_LIMIT_S = 20.0
"""How long the process may take to leave Ray, or to undo what it began."""

_ROOT = Path(__file__).resolve().parent.parent


def ray_app(kind: Literal["up", "down"], order: Mapping[str, object]) -> list[str]:
    """The command that makes `serving/ray_app.py` deploy an application, or remove some."""
    return [sys.executable, "-m", "serving.ray_app", kind, json.dumps(order)]


def carry_out(
    command: Sequence[str],
    log: Path,
    report: Report,
    what: str,
    *,
    deeper_logs: Callable[[], Sequence[Path]] = list,
    limit_s: float = READY_LIMIT_S,
) -> str:
    """Run a command that speaks as `serving/ray_app.py` does, and return its answer; ended early, it is told to end.

    When it fails, `deeper_logs` names files that may know the cause better than what the command itself has said.

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
        raise RepertoryError(_explained(f"{what} failed: {failure}", [*deeper_logs(), log])) from None
    finally:
        _end(process)


class _Failed(Exception):
    """Says why, for people."""


def _follow(process: subprocess.Popen[bytes], log: Path, report: Report, what: str, limit_s: float) -> str:
    started = clock.monotonic()
    while True:
        ended = process.poll() is not None
        events = [json.loads(line.removeprefix(MARK)) for line in lines_of(log) if line.startswith(MARK)]
        latest: dict[str, str] = events[-1] if events else {"event": "stage", "text": "starting"}
        if latest["event"] == "ready":
            return latest["text"]
        if latest["event"] == "failed":
            raise _Failed(_last_line(latest["text"]))
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


def _explained(failure: str, logs: Sequence[Path]) -> str:
    found = next(filter(None, (causes(lines_of(log)) for log in logs)), list[str]())
    return "\n".join([failure, *(f"  {cause}" for cause in found), f"The whole log: {logs[0]}"])


def _last_line(text: str) -> str:
    """Of a traceback that is the exception itself."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
