"""A driver in a process of its own, to be killed: `python -m tests.runtime.drive HOME FOLDER begin|resume|again`.

Prints the answer as JSON, or what went wrong; `again` loses its head and goes on with another one. The run is `waiter`
of `tests/runtime/payments.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import ray as untyped_ray

from runtime.cluster import RayEngine
from runtime.codec import Json
from runtime.errors import ClusterLost, RepertoryError
from runtime.journals.sql_journal import SqliteJournal
from runtime.on_ray.ray_local import ensure_ray
from runtime.performance import recorded_performance
from tests.runtime.payments import LOOK_AGAIN_S, performance


async def main(home: Path, folder: Path, how: str) -> Json:
    """Performs the run, from its start or from its record."""
    path = folder / "journal.db"
    order = performance(folder, "waiter", {"kind": "idempotent"})
    if how == "resume":
        journal = SqliteJournal(path)
        order = await recorded_performance(journal, "run")
        await journal.close()
    return await RayEngine(ensure_ray(home).address, path, hosts=2).perform(order)


def again(home: Path, folder: Path) -> Json:
    """Loses the head, goes on without one until it has let go of it, and resumes with another."""
    try:
        return asyncio.run(main(home, folder, "begin"))
    except ClusterLost as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    while untyped_ray.is_initialized():
        time.sleep(LOOK_AGAIN_S)
    return asyncio.run(main(home, folder, "resume"))


if __name__ == "__main__":
    try:
        home, folder, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
        print(json.dumps(again(home, folder) if how == "again" else asyncio.run(main(home, folder, how))))
    except RepertoryError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
