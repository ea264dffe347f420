"""`repertory runs export` and `runs import`: one run in one file, from machine to machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repertory.commands.runs import RunName
from repertory.output import JsonFlag, print_json, print_line

if TYPE_CHECKING:
    from runtime.export import Imported
    from runtime.export_file import Exported
    from runtime.journals.journal_address import JournalAddress


def export(
    run: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: JsonFlag = False,
) -> None:
    """Write a run with everything in it into one file; secrets are taken out."""
    import asyncio

    from repertory.results import prepare, write_bytes
    from repertory.settings import read_settings
    from runtime.errors import UsageError

    if file.exists() and (file.is_dir() or not force):
        hint = "give a file's name" if file.is_dir() else "--force replaces it"
        raise UsageError(f"{file}: found something there, expected nothing; {hint}")
    prepare(file.parent, "the directory")
    exported, data = asyncio.run(_exported(run, read_settings().journal, read_settings().hidden))
    write_bytes(file, data)
    if json:
        counts = {"events": len(exported.events), "blobs": len(exported.blobs), "redacted": exported.redacted}
        print_json({"run": exported.run, "file": str(file), "bytes": len(data), **counts})
        return
    print_line(
        f"{file}: run {exported.run}, {len(exported.events)} events and {len(exported.blobs)} blobs, "
        f"{len(data):,} bytes{_redacted(exported.redacted)}"
    )


def import_run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `runs export` wrote.")],
    json: JsonFlag = False,
) -> None:
    """Add the run of a file to the journal; every part of it is checked first."""
    import asyncio

    from repertory.settings import read_settings

    imported = asyncio.run(_imported(file, read_settings().journal))
    if json:
        counts = {"events": imported.events, "redacted": imported.redacted}
        print_json({"run": imported.run, "new": imported.is_new, **counts})
    elif imported.is_new:
        print_line(
            f"run {imported.run}: {imported.events} events imported{_redacted(imported.redacted)}; "
            f"next: repertory replay {imported.run[:8]}"
        )
    else:
        print_line(f"run {imported.run}: is in the journal already, the same to the byte")


def _redacted(count: int) -> str:
    return f"; secrets taken out in {count} places" if count else ""


async def _exported(name: str, address: JournalAddress, secrets: Iterable[str]) -> tuple[Exported, bytes]:
    from repertory.records import chosen, opened
    from runtime.export import export_bytes
    from runtime.versions import versions

    async with opened(address) as journal:
        run = chosen(await journal.runs(), name).run
        return await export_bytes(journal, run, secrets=secrets, versions=versions())


async def _imported(file: Path, address: JournalAddress) -> Imported:
    from repertory.records import opened
    from runtime.export import import_bytes

    data = _read(file)
    async with opened(address) as journal:
        return await import_bytes(journal, data, str(file))


def _read(file: Path) -> bytes:
    """The bytes of a file of bounded size."""
    from runtime.errors import UsageError
    from runtime.export_file import MAX_FILE_BYTES

    try:
        with file.open("rb") as source:
            data = source.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}), expected what `runs export` wrote") from None
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{file}: found more than {MAX_FILE_BYTES} bytes, expected a file of at most that")
    return data
