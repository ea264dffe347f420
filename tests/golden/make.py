"""Writes the golden journals of the present format: `python -m tests.golden.make`; `… schema` its events' classes only.

Those of older formats stay as they are: they are what upgrades are tested with.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from runtime.blobs import Payload
from runtime.codec import canonical
from runtime.errors import JournalError
from runtime.events import FORMAT_VERSION, AgentName, StepCompleted
from runtime.export import export_bytes
from runtime.fork import ForkOrder, at_result, fork
from runtime.journal import Journal, MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.performance import Performance, recorded_performance
from runtime.team import TeamSpec
from runtime.versions import versions
from tests.golden.schema import schema_bytes
from tests.runtime.test_resume import FailingJournal

FOLDER = Path(__file__).parent
"""In it a folder `v1`, `v2`, … for each version of the format."""
SCHEMA = "schema.json"
NAMES = ("plain", "faulty", "crash", "fork", "careless")


def performance(run: str, answers: str) -> Performance:
    """A run of the golden team."""
    payload = canonical({"type": "Wish", "data": {"city": "Beijing", "manner": answers}})
    return Performance(
        run, TeamSpec("golden", "tests.golden.team:build", {"answers": answers}), AgentName("planner"), payload
    )


async def crashed() -> Journal:
    """A run whose process died after its ninth append, and that was taken up again."""
    journal = FailingJournal(9, after=True)
    try:
        await LocalEngine(journal).perform(performance("crash", "plain"))
    except JournalError:
        journal.is_repaired = True
    await LocalEngine(journal).perform(await recorded_performance(journal, "crash"))
    return journal


async def forked() -> Journal:
    """A run that was forked where its second price came, which was set to another."""
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("parent", "plain"))
    events = await journal.events("parent")
    prices = [event for event in events if isinstance(event, StepCompleted) and not event.usage]
    order = ForkOrder(
        parent="parent", point=at_result(events, prices[1].seq), content=Payload.of(7000), versions=versions()
    )
    await fork(journal, "fork", order, events)
    await LocalEngine(journal).perform(await recorded_performance(journal, "fork"))
    return journal


async def write(folder: Path) -> None:
    """Performs the runs and writes each into its file; the plain one into a journal's file too."""
    (folder / "plain.db").unlink(missing_ok=True)
    plain = SqliteJournal(folder / "plain.db")
    await LocalEngine(plain).perform(performance("plain", "plain"))
    faulty, careless = MemoryJournal(), MemoryJournal()
    await LocalEngine(faulty).perform(performance("faulty", "faulty"))
    await LocalEngine(careless).perform(performance("careless", "careless"))
    journals: list[Journal] = [plain, faulty, await crashed(), await forked(), careless]
    for name, journal in zip(NAMES, journals, strict=True):
        _, data = await export_bytes(journal, name, versions=versions())
        _write(folder / f"{name}.run", data)
    await plain.close()


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def main(folder: Path) -> None:
    """Writes what is asked for on the command line."""
    folder.mkdir(exist_ok=True)
    _write(folder / SCHEMA, schema_bytes())
    if "schema" not in sys.argv[1:]:
        asyncio.run(write(folder))


if __name__ == "__main__":
    main(FOLDER / f"v{FORMAT_VERSION}")
