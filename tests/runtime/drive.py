"""A driver in a process of its own, to be killed: `python -m tests.runtime.drive HOME FOLDER begin|resume`.

Prints the answer as JSON, or what went wrong; the run is `waiter` of `tests/runtime/payments.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from runtime.cluster import RayEngine
from runtime.codec import Json
from runtime.errors import RepertoryError
from runtime.journals.sql_journal import SqliteJournal
from runtime.on_ray.ray_local import ensure_ray
from runtime.performance import recorded_performance
from tests.runtime.payments import performance


async def main(home: Path, folder: Path, how: str) -> Json:
    """Performs the run, from its start or from its record."""
    path = folder / "journal.db"
    order = performance(folder, "waiter", {"kind": "idempotent"})
    if how == "resume":
        journal = SqliteJournal(path)
        order = await recorded_performance(journal, "run")
        await journal.close()
    return await RayEngine(ensure_ray(home).address, path, hosts=2).perform(order)


if __name__ == "__main__":
    try:
        print(json.dumps(asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))))
    except RepertoryError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
