"""Where the time of messages between hosts goes: processor seconds and cProfile's own times, by part of the work.

Agents of `bench/message_hosts.py` start and end the profile of their host's event loop, when the bench asks them to, so
nothing in the runtime knows of it. cProfile makes calls of Python dearer than the rest, so shares are rough; the
processor seconds come from a run without it.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

PARTS: dict[str, tuple[str, ...]] = {
    "pickling": ("/freight.py", "ickle", "copyreg", "_reduce"),
    "frames and lines": ("/line.py", "/stream.py"),
    "the record": (
        *(
            "/record.py",
            "/journals/",
            "/journal.py",
            "/sequencer.py",
            "/codec.py",
            "/letters.py",
            "/blobs.py",
            "/ids.py",
        ),
        *(
            "/routing.py",
            "/events.py",
            "/step_book.py",
            "/sleep_book.py",
            "/order",
            "/collector.py",
            "_serialization.py",
        ),
        *("sqlite3", "blake2", "zlib", "zstd", "/json/", "_json", "asdict", "msgspec", "/clock.py", "/threading.py"),
    ),
    "the socket": ("/selectors.py", "/selector_events.py", "/streams.py", "socket", "epoll"),
    "the event loop": ("/asyncio/", "_asyncio", "contextvars"),
    "tracing and logs": ("opentelemetry", "/logging/", "_telemetry", "/trace.py", "<frozen os>"),
    "handing over": (
        *("/autogen_local/", "/remote_agent.py", "/desk.py", "/host_runtime.py", "/agent_host.py", "/pace.py"),
        *("/logs.py", "autogen_core"),
    ),
    "agents": ("/bench/",),
}
"""What belongs to a part: any of these in the file or name of a function; the first part that fits."""
IDLE = "'poll' of 'select.epoll'"
Stats = Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]]


@dataclass
class Profiling:
    """Asks an agent for what its host has spent since it was asked last, and to begin again."""

    is_profiled: bool


@dataclass
class Spent:
    """What a process has spent: processor seconds, and seconds by part where it was profiled."""

    cpu_s: float = 0.0
    loop_s: float = 0.0
    """Of the thread of the event loop."""
    wall_s: float = 0.0
    """How long it took."""
    parts: dict[str, float] = field(default_factory=dict[str, float])
    functions: list[str] = field(default_factory=list[str])
    """The dearest ones, for people."""


class Meter:
    """Measures the process and the thread that begins it."""

    def __init__(self, *, is_profiled: bool) -> None:
        self._profile = cProfile.Profile() if is_profiled else None
        self._cpu_s, self._loop_s, self._wall_s = _clocks()
        if self._profile is not None:
            self._profile.enable()

    def end(self) -> Spent:
        """What was spent since."""
        if self._profile is None:
            cpu_s, loop_s, wall_s = _clocks()
            return Spent(cpu_s - self._cpu_s, loop_s - self._loop_s, wall_s - self._wall_s)
        self._profile.disable()
        return _by_part(self._profile)


def _clocks() -> tuple[float, float, float]:
    return time.process_time(), time.thread_time(), time.perf_counter()


def _by_part(profile: cProfile.Profile) -> Spent:
    spent = Spent()
    stats = cast(
        Mapping[tuple[str, int, str], tuple[Any, int, float, float, Any]], cast(Any, pstats.Stats(profile)).stats
    )
    for (file, line, name), (_, calls, own_s, _, _) in sorted(stats.items(), key=lambda item: -item[1][2]):
        where = f"{file}:{name}"
        if IDLE in where and "poll" in name:
            continue
        part = next((part for part, words in PARTS.items() if any(word in where for word in words)), "other")
        spent.parts[part] = spent.parts.get(part, 0.0) + own_s
        if len(spent.functions) < 40:
            spent.functions.append(
                f"{own_s:7.3f} {calls:8d} {part:18s} {file.rpartition('site-packages')[2]}:{line} {name}"
            )
    return spent


def shares(name: str, spent: Spent) -> str:
    """What a process has spent, for people."""
    if not spent.parts:
        return f"{name}: {spent.cpu_s:.2f} s of processor, {spent.loop_s:.2f} of its loop, in {spent.wall_s:.2f} s"
    whole = sum(spent.parts.values())
    parts = sorted(spent.parts.items(), key=lambda item: -item[1])
    lines = [f"{name}: {whole:.2f} s", *(f"  {part:18s} {100 * own_s / whole:3.0f} %" for part, own_s in parts)]
    return "\n".join((*lines, *spent.functions, ""))
