"""`repertory runs verify [RUN]`: reads all of a journal and says whether it is what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from repertory.output import JsonFlag, plain, print_json, print_line

if TYPE_CHECKING:
    from runtime.verify import Verification


def verify(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's id, the beginning of one, or `last`; else all runs.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Check that runs are as they were written: every event, sum, blob and prompt.

    Exit code 1 when one of them is not; the others are checked all the same.
    """
    import asyncio

    import msgspec

    found = asyncio.run(_verified(run, quiet=json))
    if json:
        print_json([msgspec.to_builtins(each) for each in found])
    elif not found:
        print_line("no runs yet; `repertory run FILE` makes one")
    if any(each.fault for each in found):
        raise typer.Exit(1)


async def _verified(name: str | None, *, quiet: bool) -> list[Verification]:
    from repertory.records import chosen, opened
    from repertory.settings import read_settings
    from runtime.verify import verify as verify_run

    found: list[Verification] = []
    async with opened(read_settings().journal) as journal:
        runs = await journal.runs()
        for summary in runs if name is None else [chosen(runs, name)]:
            found.append(await verify_run(journal, summary.run))
            if not quiet:
                print_line(_line(found[-1]))
    return found


def _line(found: Verification) -> str:
    if found.fault:
        return plain(f"DAMAGED  {found.run}  {found.fault}")
    return f"whole    {found.run}  {found.events:,} events, {found.blobs:,} blobs, {found.bytes / 1e6:,.1f} MB"
