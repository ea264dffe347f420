"""The processes of a home's Ray, found by what they call themselves, for tests that wait for their end or bring it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import psutil

from runtime.on_ray.ray_local import session_logs


def head_process(home: Path) -> psutil.Process:
    """The process that owns all others of this home's Ray."""
    return psutil.Process(json.loads((home / "ray" / "head.json").read_text())["pid"])


def ray_processes(home: Path, *titles: str) -> list[psutil.Process]:
    """Those of this home's Ray, which is up, whose titles begin like this, with what these have started."""
    logs = session_logs(home)
    assert logs is not None, "Ray is up"
    [raylet] = [each for each in psutil.process_iter() if _is_raylet(each, str(logs.parents[1]))]
    return [process for process in raylet.children(recursive=True) if _is_titled(process, titles)]


def _is_raylet(process: psutil.Process, folder: str) -> bool:
    with suppress(psutil.Error):
        return process.name() == "raylet" and any(folder in word for word in process.cmdline())
    return False


def _is_titled(process: psutil.Process, titles: tuple[str, ...]) -> bool:
    with suppress(psutil.Error):
        return any(word.startswith(titles) for word in process.cmdline()[:1])
    return False
