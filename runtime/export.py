"""One run out of a journal into a file, and back into any journal: nothing is copied but what the run names.

What is imported is not trusted: every part is checked, and that the parts make a run, before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from runtime.codec import parse
from runtime.errors import CorruptEvent, RepertoryError, UsageError
from runtime.events import Digest, RunStarted
from runtime.export_file import Exported, packed, unpacked
from runtime.journal import Journal
from runtime.redact import Redaction
from runtime.references import blobs_of, named, named_in_link, named_in_request, requests
from runtime.routing import Routes
from runtime.sequencer import Sequencer

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BUILDER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an import."""

    run: str
    events: int
    is_new: bool
    """False when the journal had this very run already."""
    redacted: int
    """How many events and blobs had held a secret."""


async def export(journal: Journal, run: str, *, secrets: Iterable[str] = (), versions: dict[str, str]) -> Exported:
    """A run with everything that it names; a fork brings the prefix that it shares.

    Raises:
        UsageError: there is no such run.
        CorruptEvent: a part of it is missing or damaged.
    """
    events = await journal.events(run)
    if not events:
        raise UsageError(f"there is no run {run!r}; `repertory runs list` shows those that there are")
    blobs = await blobs_of(journal, events)
    redaction = Redaction(blobs, secrets)
    if not redaction.is_needed(events):
        return Exported(run, events, blobs, 0, versions)
    cleaned = [redaction.event(event) for event in events]
    return Exported(run, cleaned, redaction.blobs, redaction.count, versions)


async def export_bytes(
    journal: Journal, run: str, *, secrets: Iterable[str] = (), versions: dict[str, str]
) -> tuple[Exported, bytes]:
    """A run and its file; see `export`."""
    exported = await export(journal, run, secrets=secrets, versions=versions)
    return exported, packed(exported)


async def import_bytes(journal: Journal, data: bytes, name: str) -> Imported:
    """Adds the run of a file to a journal, whole or not at all; `name` is what messages call the file.

    Raises:
        UsageError: it is not what it has to be, or another run of its id exists; nothing was added.
        JournalError: it could not be made durable.
    """
    exported = unpacked(data, name)
    check(exported, name)
    present = await journal.events(exported.run)
    result = Imported(exported.run, len(exported.events), not present, exported.redacted)
    if present:
        if present != exported.events:
            raise UsageError(
                f"{name}: a run {exported.run!r} is in the journal already and is another one "
                f"({len(present)} events there, {len(exported.events)} here); import it into another REPERTORY_HOME"
            )
        return result
    epoch = await journal.claim(exported.run)
    await journal.append(exported.run, epoch, exported.events, exported.blobs)
    return result


def check(exported: Exported, name: str) -> None:
    """Whether the parts make a run: its events follow from each other, and every blob that they name is there.

    Raises:
        UsageError: they do not.
    """
    if not _RUN_ID.fullmatch(exported.run):
        raise _bad(name, f"the run id {exported.run[:80]!r}", "letters, digits, dots, _ and -")
    first = exported.events[0] if exported.events else None
    if not isinstance(first, RunStarted) or not _BUILDER.fullmatch(first.builder):
        raise _bad(name, "no first event", "a RunStarted that names its builder as module:function")
    _check_blobs(exported, name)
    _check_order(first, exported, name)


def _check_blobs(exported: Exported, name: str) -> None:
    found = exported.blobs
    try:
        known = {blob: parse(data) for blob, data in found.items()}
    except CorruptEvent as error:
        raise _bad(name, f"a blob that is no JSON ({error})", "JSON") from None
    wanted: set[Digest] = {each for event in exported.events for each in named(event)}
    asked = {each for request in requests(exported.events) for each in named_in_request(known.get(request))}
    while asked:
        wanted |= asked
        asked = {each for link in asked for each in named_in_link(known.get(link))} - wanted
    if missing := wanted - found.keys():
        raise _bad(name, f"{len(missing)} blobs missing (such as {min(missing)[:40]})", "all that its events name")
    if extra := found.keys() - wanted:
        raise _bad(name, f"{len(extra)} blobs that nothing names (such as {min(extra)})", "those that its events name")


def _check_order(first: RunStarted, exported: Exported, name: str) -> None:
    try:
        core = Sequencer(msgspec.json.decode(exported.blobs[first.routes], type=Routes))
    except msgspec.DecodeError as error:
        raise _bad(name, f"routes that cannot be read ({error})", "agent types and subscriptions") from None
    for event in exported.events:
        try:
            core.apply(event)
        except (KeyError, ValueError, AttributeError, RepertoryError):
            raise _bad(
                name, f"event {event.seq} ({type(event).__name__}) without what it follows from", "events in order"
            ) from None


def _bad(name: str, found: str, expected: str) -> UsageError:
    return UsageError(f"{name}: found {found}, expected {expected}; nothing was imported")
